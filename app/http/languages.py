"""Language negotiation (RFC 9110): which of the offered languages a reader gets."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import takewhile

from app.models.fields import cleaned_language

MAX_LANGUAGES = 20
_ACCEPTED = re.compile(r"([^\s;]+)(?:\s*;\s*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?")


def negotiate_language(wanted: Iterable[str], offered: tuple[str, ...]) -> str | None:
    """The first wanted language that is offered, by tag or else by its first part; None leaves the choice to us."""
    tags, parts = _spellings(offered)
    for tag in map(str.casefold, wanted):
        if tag in tags or tag.split("-")[0] in parts:
            return tags.get(tag) or parts[tag.split("-")[0]]
    return None


# Kept, because shops offer few sets of languages, and each first screen asks three times.
@lru_cache
def _spellings(offered: tuple[str, ...]) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """How the offered languages are spelled, by tag and by first part."""
    tags = {language.casefold(): language for language in reversed(offered)}
    return tags, {tag.split("-")[0]: language for tag, language in tags.items()}


def accepted_languages(header: str) -> list[str]:
    """The tags of an Accept-Language header, best first and spelled as in bodies; other parts are left out.

    The list ends before `*`, because that accepts every language no less than the tags after it.
    """
    parts = header.split(",", MAX_LANGUAGES)[:MAX_LANGUAGES]
    found = [match for part in parts if (match := _ACCEPTED.fullmatch(part.strip()))]
    weighed = [(float(match[2] or 1), match[1]) for match in found]
    wanted = (tag for weight, tag in sorted(weighed, key=lambda each: -each[0]) if weight)
    return [tag for each in takewhile(lambda tag: tag != "*", wanted) if (tag := cleaned_language(each))]
