"""Titles and details of problems in a reader's language: `texts/<language>.json`, and English in the table itself.

A file says by `reviewed` whether a second reader has gone through it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from app.http.languages import accepted_languages, negotiate_language
from app.http.problem_types.problem_type import ProblemType

ENGLISH = "en"
FILES = Path(__file__).parent / "texts"


class ProblemText(NamedTuple):
    """A problem in words."""

    title: str
    detail: str


def _read(file: Path) -> Mapping[str, ProblemText]:
    problems = json.loads(file.read_text("utf-8"))["problems"]
    return MappingProxyType({code: ProblemText(**text) for code, text in problems.items()})


TRANSLATIONS: Mapping[str, Mapping[str, ProblemText]] = MappingProxyType(
    {file.stem: _read(file) for file in sorted(FILES.glob("*.json"))}
)
"""The texts by language and code."""
LANGUAGES = (ENGLISH, *TRANSLATIONS)


def language_for(accept_language: str) -> str:
    """The language of ours that suits an Accept-Language header best; English if none does."""
    return negotiate_language(accepted_languages(accept_language), LANGUAGES) or ENGLISH


def text_of(kind: ProblemType, language: str) -> ProblemText:
    """The problem in one of our languages."""
    return TRANSLATIONS[language][kind.code] if language in TRANSLATIONS else ProblemText(kind.title, kind.detail)
