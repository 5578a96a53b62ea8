"""Fingerprints of bodies, equal for bodies that ask for the same return; one for each stored form. Pure."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping

from pydantic import JsonValue

from app.models.requests import NewReturn, NewReturnItem

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
"""Members of a body at the time of the first form; the set must never grow."""

Fingerprints = Mapping[int, str]
"""The fingerprints of one body, by the version of the form."""


def fingerprints(body: NewReturn) -> Fingerprints:
    """The fingerprints of a body; order, repeated items and spelled-out defaults make no difference.

    The release before compares the first form; a member that it does not know counts if it is set. In the
    current form a member that is absent, null or the default is left out, so that later releases can add members.
    """
    return {FIRST: _first(body), CURRENT: _current(body)}


def lines(body: NewReturn) -> list[NewReturnItem]:
    """The items with those that differ in quantity alone summed into one."""
    summed: Counter[NewReturnItem] = Counter()
    for item in body.items:
        summed[item.model_copy(update={"quantity": 1})] += item.quantity
    return [item.model_copy(update={"quantity": quantity}) for item, quantity in summed.items()]


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
    """The members of an object and its inner objects, without unset members that are newer than the first form."""
    return {name: _known_in(value) for name, value in members.items() if value is not None or name in MEMBERS_OF_FIRST}


def _known_in(value: JsonValue) -> JsonValue:
    if isinstance(value, list):
        return [_known_in(each) for each in value]
    return _known(value) if isinstance(value, dict) else value


def _digest(canonical: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(canonical, sort_keys=True).encode()).hexdigest()
