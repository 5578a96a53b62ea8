"""Numbers of the upstream: how they may be written, and their bounds."""

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated

from pydantic import BeforeValidator, Field

CENT = Decimal("0.01")
MAX_AMOUNT = Decimal(10**12)
# A comma before three digits may separate thousands, so such a text is refused.
_AMOUNT = re.compile(r"-?[0-9]{1,12}(?:,[0-9]{1,2}|(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2})?)")
_DECIMAL_COMMA = re.compile(r"\s*-?[0-9]{1,12},[0-9]{1,2}\s*")


def no_boolean(value: object) -> object:
    """The value. Raises `ValueError` for a boolean, which pydantic would take for 0 or 1."""
    if isinstance(value, bool):
        raise ValueError("a boolean is no number")  # noqa: TRY004  pydantic collects ValueErrors
    return value


def measure(value: object) -> object:
    """The value with a decimal point where it is text with a decimal comma. Raises `ValueError` for a boolean."""
    if isinstance(value, str) and _DECIMAL_COMMA.fullmatch(value):
        return value.replace(",", ".")
    return no_boolean(value)


def degrees(value: object) -> object:
    """The value with a decimal point; degrees have no thousands that a comma could separate."""
    return value.replace(",", ".") if isinstance(value, str) else no_boolean(value)


def amount(value: object) -> Decimal:
    """An amount with two decimals, from a number or text with a point or a comma. Raises `ValueError` otherwise."""
    if isinstance(value, str):
        written = value.strip()
        if not _AMOUNT.fullmatch(written):
            raise ValueError("another form")
        stated = Decimal(written.replace(",", "."))
    elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        stated = Decimal(str(value))
    else:
        raise ValueError("no number")  # noqa: TRY004  pydantic collects ValueErrors
    if not abs(stated) < MAX_AMOUNT:
        raise ValueError("no amount of money")
    # Without the sign of a negative zero.
    return stated.quantize(CENT, ROUND_HALF_UP) + 0


MAX_ID = 2**53
Integer = Annotated[int, BeforeValidator(no_boolean)]
Id = Annotated[Integer, Field(ge=-MAX_ID, le=MAX_ID)]
"""The range of integers that every JSON reader can hold."""
ParcelId = Annotated[Integer, Field(ge=1, le=MAX_ID)]
"""Returns are kept by this id, so an uncertain one counts as none: otherwise two shoppers could share a parcel."""
Count = Annotated[Integer, Field(ge=1, le=1_000_000)]
Money = Annotated[Decimal, BeforeValidator(amount)]
Metres = Annotated[float, BeforeValidator(measure), Field(ge=0, le=20_040_000)]
"""Half the way around the Earth at most."""
Kilograms = Annotated[float, BeforeValidator(measure), Field(gt=0, le=100_000)]
Latitude = Annotated[float, BeforeValidator(degrees), Field(ge=-90, le=90)]
Longitude = Annotated[float, BeforeValidator(degrees), Field(ge=-180, le=180)]
