"""The types of members, and how models of requests and answers behave."""

from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from app.typed_text import cleaned_code, cleaned_language, cleaned_prose


def _iso_date(value: object) -> object:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        # The original text would quote the value.
        raise ValueError("an ISO 8601 date like 2026-05-31") from None


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
Amount = Annotated[str, Field(pattern=r"^[0-9]{1,9}(\.[0-9]{1,2})?$", examples=["4.95"])]
IsoDate = Annotated[date, BeforeValidator(_iso_date)]


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
