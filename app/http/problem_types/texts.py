"""Problems, and the words of `why_not`, in a reader's language: `texts/<language>.json`.

The English of problems stands in the table itself.

A file says by `reviewed` whether a second reader has gone through it.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from app.http.languages import accepted_languages, negotiate_language
from app.http.problem_types.problem_type import ProblemType
from app.models.fields import WhyNotText

T = TypeVar("T")

ENGLISH = "en"
FILES = Path(__file__).parent / "texts"


class ProblemText(NamedTuple):
    """A problem in words."""

    title: str
    detail: str


def _read(part: str, form: Callable[..., T]) -> Mapping[str, Mapping[str, T]]:
    files = {file.stem: json.loads(file.read_text("utf-8")) for file in sorted(FILES.glob("*.json"))}
    return MappingProxyType(
        {
            language: MappingProxyType({code: form(**text) for code, text in file[part].items()})
            for language, file in files.items()
            if part in file
        }
    )


TRANSLATIONS = _read("problems", ProblemText)
"""The texts of problems by language and code."""
WHY_NOT = _read("why_not", WhyNotText)
"""The texts of what cannot be done by language and code."""
LANGUAGES = (ENGLISH, *TRANSLATIONS)


def language_for(accept_language: str) -> str:
    """The language of ours that suits an Accept-Language header best; English if none does."""
    return negotiate_language(accepted_languages(accept_language), LANGUAGES) or ENGLISH


def text_of(kind: ProblemType, language: str) -> ProblemText:
    """The problem in one of our languages."""
    return TRANSLATIONS[language][kind.code] if language in TRANSLATIONS else ProblemText(kind.title, kind.detail)


def why_not_text(code: str | None, language: str) -> WhyNotText | None:
    """The code of a `why_not` in one of our languages; None where there is none to tell."""
    return WHY_NOT[language].get(code) if code else None
