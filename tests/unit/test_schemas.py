"""The upstream's models: lenient where nothing depends on it, silent about what they hold."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.domain import RedactedModel
from app.sendcloud.schemas import (
    Brand,
    CreatedReturn,
    NewReturn,
    Outgoing,
    Parcel,
    Portal,
    PortalSettings,
    Product,
    ReturnLocation,
    ServicePoint,
    ShopDistance,
)
from tests.unit.test_protocol_answers import NEW_RETURN

SAMPLES = Path(__file__).parent.parent / "samples" / "upstream"
PORTAL = {"brand": {"id": 1, "name": "My Shop", "domain": "my-shop"}}
PARCEL = {"id": 1, "postal_code": "5611 AA", "country": {"iso_2": "NL"}}


@pytest.mark.parametrize(
    ("fee", "amount"),
    [
        ("0.00", "0.00"),
        ("4.95", "4.95"),
        (4.95, "4.95"),
        (0.0, "0.0"),
        (1, "1"),
        ("1", "1"),
        ("", None),
        (None, None),
    ],
)
def test_a_fee_may_be_text_or_number(fee: object, amount: str | None) -> None:
    """Both were seen; no fee is None, which is not zero."""
    portal = Portal.model_validate(PORTAL | {"return_fee": fee})
    assert portal.return_fee == (None if amount is None else Decimal(amount))


@pytest.mark.parametrize("fee", ["free", True, [], "NaN", "Infinity", "1e400", "9" * 15])
def test_a_fee_that_is_no_amount_is_refused(fee: object) -> None:
    """A fee that cannot be read is never shown as none."""
    with pytest.raises(ValidationError):
        Portal.model_validate(PORTAL | {"return_fee": fee})


def test_null_and_absent_texts_are_empty() -> None:
    """Nobody has to tell null from absent."""
    assert Parcel.model_validate(PARCEL | {"telephone": None}).telephone == Parcel.model_validate(PARCEL).email == ""


def test_null_and_absent_lists_are_empty() -> None:
    """Nobody has to tell null from absent in lists either."""
    assert Portal.model_validate(PORTAL | {"reasons": None}).reasons == []
    assert Portal.model_validate(PORTAL).languages == []


@pytest.mark.parametrize(
    ("field", "elements", "left"),
    [
        ("reasons", [{"id": 1}, {"id": None}, None, "x"], 1),
        ("refund_options", [{"code": "money"}, {"label": "Money back"}, 7], 1),
        ("languages", ["en-GB", None, {}], 1),
        ("delivery_options", [None], 0),
    ],
)
def test_malformed_elements_are_left_out(field: str, elements: list[object], left: int) -> None:
    """One bad element does not cost the shopper the page."""
    assert len(getattr(Portal.model_validate(PORTAL | {field: elements}), field)) == left


def test_an_object_nobody_depends_on_may_be_malformed() -> None:
    """It counts as absent."""
    parcel = Parcel.model_validate(PARCEL | {"to_coordinates": {"latitude": "north"}, "carrier": 7})
    assert (parcel.to_coordinates, parcel.carrier) == (None, None)


@pytest.mark.parametrize(
    ("given", "read"), [("51.44", 51.44), (51.44, 51.44), ("", None), ("north", None), (None, None), ("NaN", None)]
)
def test_coordinates_of_service_points_are_numbers(given: object, read: float | None) -> None:
    """They come as text; what is no number is unknown."""
    assert ServicePoint.model_validate({"id": 1, "latitude": given}).latitude == read


@pytest.mark.parametrize(("given", "read"), [(1234, "1234"), ("1234", "1234"), ("a-1", "a-1")])
def test_product_ids_are_text(given: object, read: str) -> None:
    """Whether the upstream sends a string or an integer."""
    product = {"id": given, "price": "1.00", "quantity": 1, "returnable": True}
    assert Product.model_validate(product).id == read


@pytest.mark.parametrize("given", [True, None, 1.5, "", "one", [], {}])
def test_ids_are_whole_numbers(given: object) -> None:
    """Text with digits is accepted, a boolean is not."""
    with pytest.raises(ValidationError):
        ReturnLocation.model_validate({"id": given})
    assert ReturnLocation.model_validate({"id": "7"}).id == 7


def test_a_distance_may_have_decimals() -> None:
    """Metres as the upstream counts them."""
    assert ShopDistance.model_validate({"id": 7, "distance": 91200.4}).distance == 91200.4


@pytest.mark.parametrize(("name", "model"), [("outgoing-200.json", Outgoing), ("settings-200.json", PortalSettings)])
def test_a_kept_answer_reads_back_the_same(name: str, model: type[RedactedModel]) -> None:
    """Answers survive the session record and the cache."""
    answer = model.model_validate(json.loads((SAMPLES / name).read_bytes()))
    assert model.model_validate_json(answer.model_dump_json()) == answer


def test_models_show_none_of_their_values() -> None:
    """Names, addresses and tokens cannot get into a log by way of `repr`, nor by an error's text."""
    outgoing = Outgoing.model_validate(json.loads((SAMPLES / "outgoing-200.json").read_bytes()))
    assert (repr(outgoing), str(outgoing)) == ("Outgoing()", "")
    with pytest.raises(ValidationError) as caught:
        Brand.model_validate({"id": "secret", "name": "x", "domain": "y"})
    assert "secret" not in str(caught.value)


def test_models_are_frozen() -> None:
    """What the upstream said stays said."""
    created = CreatedReturn(return_id=1, incoming_parcels=[], poller_token=None, payment_url=None)
    with pytest.raises(ValidationError):
        created.return_id = 2  # type: ignore[misc]  # exactly what must not work


def test_a_new_return_is_sent_with_documented_types() -> None:
    """Values are numbers, product ids text, and what was not chosen is absent."""
    chosen = NewReturn.model_validate(
        NEW_RETURN.model_dump()
        | {
            "products": [{"product_id": "1234", "quantity": 1, "description": "Shirt", "value": Decimal("29.95")}],
            "service_point": {"id": 20000001},
            "selected_functionalities": {"first_mile": "dropoff"},
        }
    )
    sent = json.loads(chosen.model_dump_json(exclude_none=True))
    assert sent["products"] == [{"product_id": "1234", "quantity": 1, "description": "Shirt", "value": 29.95}]
    assert (sent["service_point"], sent["selected_functionalities"]) == ({"id": 20000001}, {"first_mile": "dropoff"})
    assert not {"pickup_date", "images", "customs_information", "selected_carrier_code"} & sent.keys()
