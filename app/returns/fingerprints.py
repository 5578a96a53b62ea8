"""Which bodies ask for the same return: fingerprints, one for each form in which they were ever stored. Pure."""

import hashlib
import json
import re
from collections.abc import Mapping

from pydantic import JsonValue

from app.models import NewReturn
from app.returns.checks import lines

FIRST, CURRENT = 1, 2
"""The form that spells unset members out, and the one that leaves them out."""
MEMBERS_OF_FIRST = frozenset(
    re.findall(
        r"\w+",
        """
        items reason message refund delivery parcels contact customs photos
        id quantity comment hs_code origin_country weight
        type option service_point carrier store pickup_date
        name company_name street house_number address_2 postal_code city email phone
        invoice_number export_type invoice_date freight_costs insurance_costs other_costs discount_granted general_notes
        file item description
        """,
    )
)
"""Of a body and all in it when the first form was the only one; it is never to grow."""

Fingerprints = Mapping[int, str]
"""Of one body, by the version of the form."""


def fingerprints(body: NewReturn) -> Fingerprints:
    """The same for bodies that ask for the same: order, repeated items and spelled-out defaults do not count.

    The first form is what the release before compares; a member that it does not know counts where it is set. In the
    current form a member that is absent, null or the default is left out, so that later releases can add members.
    """
    return {FIRST: _first(body), CURRENT: _current(body)}


def _first(body: NewReturn) -> str:
    items = sorted(
        json.dumps(_known(line.model_dump(mode="json")), separators=(",", ":"), ensure_ascii=False)
        for line in lines(body)
    )
    return _digest(_known(body.model_dump(mode="json", exclude={"items"})) | {"items": items})


def _current(body: NewReturn) -> str:
    stated = body.model_dump(mode="json", exclude={"items"}, exclude_defaults=True)
    items = sorted(
        json.dumps(line.model_dump(mode="json", exclude_defaults=True), sort_keys=True) for line in lines(body)
    )
    return _digest({**{name: value for name, value in stated.items() if value not in ({}, [])}, "items": items})


def _known(members: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The members of an object and of the objects in it, without unset ones that came after the first form."""
    return {name: _known_in(value) for name, value in members.items() if value is not None or name in MEMBERS_OF_FIRST}


def _known_in(value: JsonValue) -> JsonValue:
    if isinstance(value, list):
        return [_known_in(each) for each in value]
    return _known(value) if isinstance(value, dict) else value


def _digest(canonical: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(canonical, sort_keys=True).encode()).hexdigest()
