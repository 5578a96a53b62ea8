"""The types of members, how typed and pasted text is cleaned before it is validated, and how models behave."""

import re
from datetime import UTC, date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError

_INVISIBLE = "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
_INVISIBLES = re.compile(f"[{_INVISIBLE}]+")
_BLANK = " \t\r\n\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""Control characters are not among them: they stay, and are refused."""
_ENDS = re.compile(f"^[{_BLANK}{_INVISIBLE}]+|(?<![{_BLANK}{_INVISIBLE}])[{_BLANK}{_INVISIBLE}]+$")
"""The look behind keeps a search from starting over within a run, which took quadratic time."""
_DIRECTION_TRICKS = re.compile("[\u202a-\u202e\u2066-\u2069\ufeff]+")
"""Embeddings, overrides and isolates, which make a text look like another; marks and joiners are part of words."""
_SPACES = re.compile("[\u00a0\u2000-\u200a\u202f\u205f\u3000]")
_FULL_WIDTH = MappingProxyType({code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)})
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}(?![A-Za-z0-9])")


def cleaned_code(value: object) -> object:
    """An order number, postal code or the like: without invisible characters, in plain ASCII where it was full-width.

    Everything else inside stays as typed, because an order may be named "#1001" or "0001001".
    """
    if not isinstance(value, str):
        return value
    return _SPACES.sub(" ", _INVISIBLES.sub("", value).translate(_FULL_WIDTH)).strip(" \t\r\n\u2028\u2029")


def cleaned_prose(value: object) -> object:
    """A name or a comment, without blanks and invisible marks at its ends and without changes of text direction."""
    return _ENDS.sub("", _DIRECTION_TRICKS.sub("", value)) if isinstance(value, str) else value


def cleaned_language(value: object) -> str | None:
    """A language tag up to its first extension; None for all else, because a bad tag must not fail a request."""
    if not isinstance(value, str):
        return None
    found = _LANGUAGE.match(value.strip(" \t\r\n").replace("_", "-"))
    return found and found[0]


def _iso_date(value: object) -> object:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        # The original text would quote the value.
        raise PydanticCustomError("value_error", "Input should be a date like 2026-05-31") from None


Json = dict[str, Any]
"""An object whose members its reader knows, as of the description of this API."""
DeliveryMember = Literal["service_point", "carrier", "store", "pickup_date"]
Language = Annotated[Annotated[str, Field(examples=["nl-NL"])] | None, BeforeValidator(cleaned_language)]
"""A language tag. `_` counts as `-`, extensions are cut off, and any other text counts as no language."""
Visible = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]*$"
Code = BeforeValidator(cleaned_code)
Prose = BeforeValidator(cleaned_prose)
Id = Annotated[int, Field(ge=-(2**53), le=2**53, json_schema_extra={"format": "int64"})]
"""A number that the shipping service gave; it may need more than 32 bits."""
Amount = Annotated[str, Field(pattern=r"^[0-9]{1,9}(\.[0-9]{1,2})?$", examples=["4.95"]), Code]
IsoDate = Annotated[date, BeforeValidator(_iso_date), Code]


def utc_datetime(seconds: float) -> datetime:
    """This moment since the epoch, in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


class OpenEnum(StrEnum):
    """Words of an answer to which later versions may add; its description lists them and closes the list to none."""

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> Json:
        """The schema of any text, with the words of today."""
        described = handler(schema)
        _open(handler.resolve_ref_schema(described))
        return described


def _open(described: Json) -> None:
    """No `enum`: a new word must not break a client that was generated before."""
    described["x-extensible-enum"] = described.pop("enum")


open_to_more = Field(json_schema_extra=_open)
"""Of a Literal, what OpenEnum is of an enumeration."""


class Request(BaseModel):
    """An object that a front end sends; members that are not described are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class Answer(BaseModel):
    """An object that a front end gets; later versions may add members."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class WhyNotText(Answer):
    """Why something cannot be done, to show to a shopper; in a language of the request's `Accept-Language`."""

    title: str
    """In a few words, without a full stop."""
    detail: str
    """In a sentence."""


class ProblemError(Answer):
    """A fault of one member of the request."""

    pointer: str
    """A JSON Pointer to the member, or to the parent of one that is missing."""
    code: str
    """Stable code of the fault."""
    detail: str
    """The fault as a sentence."""
