"""What the public contract takes, and what it refuses before anybody looks at it."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from app.models import requests, returns

SESSION = {"identifier": "A-1001", "postal_code": "5611 AA"}
ITEM = {"id": "shirt", "quantity": 1}
DELIVERY = {"option": "pickup"}
RETURN = {"items": [ITEM], "delivery": DELIVERY}
CUSTOMS = {"invoice_number": "R-1"}
PHOTO = {"file": "up_AX3k0c1cXw", "item": "shirt"}
TRICKS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
CONTROLS = [*"\x00\x08\x0b\x1b\x1f\x7f\x80\x85\x9b\x9f"]
SOUND: list[tuple[type[BaseModel], dict[str, Any]]] = [
    (requests.NewSession, SESSION),
    (requests.NewReturnItem, ITEM),
    (requests.NewRefund, {"type": "money"}),
    (requests.NewDelivery, DELIVERY),
    (requests.NewReturn, RETURN),
    (requests.NewCustoms, CUSTOMS),
    (requests.NewPhoto, PHOTO),
]
CORRECTIONS = ["name", "company_name", "street", "house_number", "address_2", "postal_code", "city", "phone"]
COSTS = ["freight_costs", "insurance_costs", "other_costs", "discount_granted"]


def findings(model: type[BaseModel], wire: object) -> list[tuple[tuple[int | str, ...], str]]:
    """Place and kind of everything that is refused."""
    with pytest.raises(ValidationError) as caught:
        model.model_validate(wire)
    return [(error["loc"], error["type"]) for error in caught.value.errors()]


@pytest.mark.parametrize(("model", "wire"), SOUND)
def test_least_request(model: type[BaseModel], wire: dict[str, Any]) -> None:
    """A request states few members, and all of them are kept."""
    assert model.model_validate(wire).model_dump(exclude_unset=True) == wire


@pytest.mark.parametrize(("model", "wire"), SOUND)
def test_unknown_field(model: type[BaseModel], wire: dict[str, Any]) -> None:
    """A field that the contract does not know is refused: it would go unheard."""
    assert findings(model, {**wire, "colour": "red"}) == [(("colour",), "extra_forbidden")]


@pytest.mark.parametrize(("model", "field"), [(model, field) for model, wire in SOUND for field in wire])
def test_missing_field(model: type[BaseModel], field: str) -> None:
    """Each field of the least request is needed."""
    wire = dict(SOUND)[model]
    assert findings(model, {name: value for name, value in wire.items() if name != field}) == [((field,), "missing")]


@pytest.mark.parametrize(("model", "wire"), SOUND)
def test_requests_are_frozen(model: type[BaseModel], wire: dict[str, Any]) -> None:
    """A request cannot be changed after it was read."""
    with pytest.raises(ValidationError):
        setattr(model.model_validate(wire), next(iter(wire)), "other")


@pytest.mark.parametrize(
    ("model", "changes", "place", "kind"),
    [
        (requests.NewSession, {"identifier": 1001}, ("identifier",), "string_type"),
        (requests.NewSession, {"postal_code": 5611}, ("postal_code",), "string_type"),
        (requests.NewSession, {"token_delivery": "both"}, ("token_delivery",), "literal_error"),
        (requests.NewReturnItem, {"id": 1}, ("id",), "string_type"),
        (requests.NewReturnItem, {"quantity": "1"}, ("quantity",), "int_type"),
        (requests.NewReturnItem, {"quantity": 1.0}, ("quantity",), "int_type"),
        (requests.NewReturnItem, {"quantity": True}, ("quantity",), "int_type"),
        (requests.NewReturnItem, {"reason": "11"}, ("reason",), "int_type"),
        (requests.NewReturnItem, {"comment": ["x"]}, ("comment",), "string_type"),
        (requests.NewDelivery, {"option": "drone"}, ("option",), "literal_error"),
        (requests.NewDelivery, {"option": None}, ("option",), "literal_error"),
        (requests.NewDelivery, {"service_point": "1"}, ("service_point",), "int_type"),
        (requests.NewDelivery, {"store": 7.5}, ("store",), "int_type"),
        (requests.NewDelivery, {"pickup_date": True}, ("pickup_date",), "date_type"),
        (requests.NewCustoms, {"export_type": "gift"}, ("export_type",), "literal_error"),
        (requests.NewCustoms, {"freight_costs": 4.95}, ("freight_costs",), "string_type"),
        (requests.NewReturnItem, {"weight": 1}, ("weight",), "string_type"),
        (requests.NewPhoto, {"file": 1}, ("file",), "string_type"),
        (requests.NewReturn, {"photos": PHOTO}, ("photos",), "list_type"),
        (requests.NewReturn, {"contact": "Sam"}, ("contact",), "model_type"),
        (requests.NewReturn, {"items": ITEM}, ("items",), "list_type"),
        (requests.NewReturn, {"items": [[ITEM]]}, ("items", 0), "model_type"),
        (requests.NewReturn, {"refund": "money"}, ("refund",), "model_type"),
        (requests.NewReturn, {"parcels": "1"}, ("parcels",), "int_type"),
    ],
)
def test_wrong_type(model: type[BaseModel], changes: dict[str, Any], place: tuple[int | str, ...], kind: str) -> None:
    """Nothing is guessed: a number is no text, a text no number, a truth value neither."""
    assert findings(model, {**dict(SOUND)[model], **changes}) == [(place, kind)]


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        (requests.NewSession, {"identifier": ""}),
        (requests.NewSession, {"identifier": "x" * 101}),
        (requests.NewSession, {"postal_code": ""}),
        (requests.NewSession, {"postal_code": "x" * 21}),
        (requests.NewReturnItem, {"id": ""}),
        (requests.NewReturnItem, {"id": "x" * 101}),
        (requests.NewReturnItem, {"quantity": 0}),
        (requests.NewReturnItem, {"reason": 2**70}),
        (requests.NewDelivery, {"service_point": 2**70}),
        (requests.NewDelivery, {"service_point": -(2**70)}),
        (requests.NewReturnItem, {"quantity": -1}),
        (requests.NewReturnItem, {"quantity": 10_000}),
        (requests.NewReturnItem, {"comment": "x" * 501}),
        (requests.NewRefund, {"type": ""}),
        (requests.NewRefund, {"message": "x" * 1001}),
        (requests.NewDelivery, {"carrier": ""}),
        (requests.NewDelivery, {"carrier": "x" * 61}),
        (requests.NewReturn, {"items": []}),
        (requests.NewReturn, {"items": [ITEM] * 201}),
        (requests.NewReturn, {"message": "x" * 1001}),
        (requests.NewReturn, {"parcels": 0}),
        (requests.NewReturn, {"parcels": 101}),
        (requests.NewCustoms, {"invoice_number": ""}),
        (requests.NewCustoms, {"invoice_number": "x" * 41}),
        (requests.NewCustoms, {"general_notes": "x" * 501}),
        (requests.NewPhoto, {"file": ""}),
        (requests.NewPhoto, {"file": "x" * 2001}),
        (requests.NewPhoto, {"item": ""}),
        (requests.NewPhoto, {"item": "x" * 101}),
        (requests.NewPhoto, {"description": "x" * 501}),
        (requests.NewReturn, {"photos": [PHOTO] * 11}),
    ],
)
def test_out_of_bounds(model: type[BaseModel], changes: dict[str, Any]) -> None:
    """Texts, lists and numbers have a least and a greatest size."""
    assert [place for place, _ in findings(model, {**dict(SOUND)[model], **changes})] == [tuple(changes)]


@pytest.mark.parametrize(
    ("model", "field"),
    [
        (requests.NewSession, "identifier"),
        (requests.NewSession, "postal_code"),
        (requests.NewReturnItem, "comment"),
        (requests.NewRefund, "message"),
        (requests.NewReturn, "message"),
        (requests.NewCustoms, "invoice_number"),
        (requests.NewCustoms, "general_notes"),
        (requests.NewPhoto, "description"),
    ],
)
def test_control_characters(model: type[BaseModel], field: str) -> None:
    """Text that people will read or upstream will store holds no control characters anywhere."""
    for text in [text for each in CONTROLS for text in (each, f"a{each}b", f"a{each}")]:
        assert findings(model, {**dict(SOUND)[model], field: text}) == [((field,), "string_pattern_mismatch")]


@pytest.mark.parametrize("character", [*TRICKS, "\ufeff"])
def test_nothing_turns_a_text_around(character: str) -> None:
    """Embeddings, overrides and isolates are taken out of what people will read, wherever they stand."""
    read = requests.NewReturnItem.model_validate({**ITEM, "comment": f"{character}a{character}b{character}"})
    assert read.comment == "ab"


@given(st.text(alphabet=st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zs", "Zl", "Zp"]), max_size=500))
def test_text_of_any_script(comment: str) -> None:
    """A comment in any script comes through unchanged."""
    assert requests.NewReturnItem.model_validate({**ITEM, "comment": comment}).comment == comment


@pytest.mark.parametrize("field", ["id", "comment"])
def test_half_a_surrogate_pair(field: str) -> None:
    """Text that cannot be written down as UTF-8 is refused."""
    assert findings(requests.NewReturnItem, {**ITEM, field: "\ud800"}) == [((field,), "string_unicode")]


def test_lines_in_messages() -> None:
    """A message may have several lines."""
    message = "one\r\n\ttwo"
    assert requests.NewReturn.model_validate({**RETURN, "message": message}).message == message


@pytest.mark.parametrize("language", ["nl", "nl-NL", "gsw", "zh-Hant-TW", "EN-gb"])
def test_language_tag(language: str) -> None:
    """A language is a BCP 47 tag."""
    assert requests.NewSession.model_validate({**SESSION, "language": language}).language == language


@pytest.mark.parametrize("language", ["", "n", "dutch", "nl_NL", "nl-", "nl-NL\n", "nl,en", "nl;q=1", "../..", "*"])
def test_no_language_tag(language: str) -> None:
    """A malformed language tag counts as none, or as the tag it begins with, and stops no lookup."""
    read = requests.NewSession.model_validate({**SESSION, "language": language}).language
    assert read is None or language.replace("_", "-").startswith(read)


@pytest.mark.parametrize("field", CORRECTIONS)
def test_corrections(field: str) -> None:
    """Each part of the sender but the country can be corrected by 200 visible characters at most."""
    for text in ("x", "Größe Straße 1½", "x" * 200):
        assert requests.NewContact.model_validate({field: text}).model_dump(exclude_unset=True) == {field: text}
    for text in ("x" * 201, "a\x00b"):
        assert [place for place, _ in findings(requests.NewContact, {field: text})] == [(field,)]


@pytest.mark.parametrize("field", CORRECTIONS)
def test_emptying_corrections(field: str) -> None:
    """Company, house number, second line and phone can be emptied; an address needs all the rest."""
    if field in {"company_name", "house_number", "address_2", "phone"}:
        assert getattr(requests.NewContact.model_validate({field: " \u200f"}), field) == ""
    else:
        assert findings(requests.NewContact, {field: " \u200f"}) == [((field,), "string_too_short")]


@pytest.mark.parametrize("field", ["country", "country_state", "from_name"])
def test_no_correction(field: str) -> None:
    """The country and other members that upstream knows of the sender cannot be changed."""
    assert findings(requests.NewContact, {field: "BE"}) == [((field,), "extra_forbidden")]


@pytest.mark.parametrize("email", ["sam@example.com", "s@e", "Sam.Jansen+shop@xn--mnchen-3ya.example"])
def test_email(email: str) -> None:
    """An e-mail address is something around one @."""
    assert requests.NewContact.model_validate({"email": email}).email == email


@pytest.mark.parametrize(
    "email", ["", "sam", "@example.com", "sam@", "sam@shop@example.com", "sam @example.com", "s\x00@e"]
)
def test_no_email(email: str) -> None:
    """An e-mail address without @, with several, with blanks or controls, or that cannot be delivered to is refused."""
    assert findings(requests.NewContact, {"email": email}) == [(("email",), "string_pattern_mismatch")]
    assert findings(requests.NewContact, {"email": "s@" + "e" * 319}) == [(("email",), "string_too_long")]


@pytest.mark.parametrize("field", COSTS)
@pytest.mark.parametrize("amount", ["0", "4.9", "4.95", "999999999.99"])
def test_amount(field: str, amount: str) -> None:
    """Amounts for customs are decimal texts."""
    assert getattr(requests.NewCustoms.model_validate({**CUSTOMS, field: amount}), field) == amount


@pytest.mark.parametrize("amount", ["", "-1", "+1", "4,95", "4.955", "1e3", ".5", "5.", "1234567890", "\u0664"])
def test_no_amount(amount: str) -> None:
    """Signs, exponents, other digits and more than two decimals make no amount."""
    for field in COSTS:
        assert findings(requests.NewCustoms, {**CUSTOMS, field: amount}) == [((field,), "string_pattern_mismatch")]


@pytest.mark.parametrize(
    ("field", "sound", "unsound"),
    [
        ("hs_code", ["6109", "61091000", "6" * 12], ["", "610", "6" * 13, "6109.10", "abcd", "\u0666109"]),
        ("origin_country", ["NL", "PT"], ["", "N", "NLD", "nl", "N1"]),
        ("weight", ["0", "1.5", "9999.999"], ["", "-1", "1.5555", "10000", "1,5", "1 kg", ".5"]),
    ],
)
def test_tariff_of_an_item(field: str, sound: list[str], unsound: list[str]) -> None:
    """Tariff numbers are 4 to 12 digits, countries two capitals, weights kilograms with up to three decimals."""
    for value in sound:
        assert getattr(requests.NewReturnItem.model_validate({**ITEM, field: value}), field) == value
    for value in unsound:
        assert findings(requests.NewReturnItem, {**ITEM, field: value}) == [((field,), "string_pattern_mismatch")]


DATES: list[tuple[type[BaseModel], str]] = [
    (requests.NewDelivery, "pickup_date"),
    (requests.NewCustoms, "invoice_date"),
]


@pytest.mark.parametrize(("model", "field"), DATES)
def test_dates_are_read(model: type[BaseModel], field: str) -> None:
    """Dates come as ISO 8601 texts."""
    read = model.model_validate({**dict(SOUND)[model], field: "2026-12-01"})
    assert getattr(read, field) == date(2026, 12, 1)


@pytest.mark.parametrize(("model", "field"), DATES)
@pytest.mark.parametrize(
    "value",
    [
        1796083200,
        1796083200.0,
        0,
        True,
        "1796083200",
        "",
        "tomorrow",
        "2026-02-30",
        "2026-12-1",
        "01-12-2026",
        "2026-12-01T00:00:00",
        ["2026-12-01"],
    ],
)
def test_no_date(model: type[BaseModel], field: str, value: object) -> None:
    """A number, a moment and a day that the calendar does not have are no dates."""
    assert [place for place, _ in findings(model, {**dict(SOUND)[model], field: value})] == [(field,)]


@pytest.mark.parametrize(
    ("model", "field", "pasted", "read"),
    [
        (requests.NewReturnItem, "hs_code", " 6109\n", "6109"),
        (requests.NewReturnItem, "hs_code", "\uff16\uff11\uff10\uff19", "6109"),
        (requests.NewReturnItem, "origin_country", "\u200ePT ", "PT"),
        (requests.NewReturnItem, "weight", "0.250\u00a0", "0.250"),
        *((requests.NewCustoms, field, "\t4.95 ", "4.95") for field in COSTS),
        *((model, field, "2026-12-01\n", date(2026, 12, 1)) for model, field in DATES),
    ],
)
def test_pasted_customs_information(model: type[BaseModel], field: str, pasted: str, read: object) -> None:
    """Blanks and marks around codes, amounts and dates are no part of them; full-width digits are read."""
    assert getattr(model.model_validate({**dict(SOUND)[model], field: pasted}), field) == read


@pytest.mark.parametrize(
    ("stated", "in_cookie"), [({}, True), ({"token_delivery": "cookie"}, True), ({"token_delivery": "body"}, False)]
)
def test_token_delivery(stated: dict[str, str], in_cookie: bool) -> None:  # noqa: FBT001  a column of the table
    """The session id travels in the cookie unless the body is asked for."""
    assert requests.NewSession.model_validate({**SESSION, **stated}).in_cookie is in_cookie


def test_final_states() -> None:
    """Five of the nine states of a return are final."""
    assert sorted(returns.FINAL_STATES) == ["accepted", "failed", "label_lost", "label_ready", "no_label_needed"]
    assert len(returns.ReturnState) == 9


def test_wire_names_of_the_states() -> None:
    """States stand in answers under their lower-case names."""
    assert all(state.value == state.name.lower() == str(state) for state in returns.ReturnState)
