"""The upstream's schemas: requests have the documented types, and no model shows its values."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.domain import OrderLine, RedactedModel, ReturnedLine, ShopSettings
from app.sendcloud import translation
from app.sendcloud.schemas import Outgoing, Reason
from tests.support import samples

SAMPLES = Path(__file__).parent.parent / "samples" / "upstream"


def test_models_show_none_of_their_values() -> None:
    """Names, addresses and tokens cannot get into a log by way of `repr`, nor by an error's text."""
    outgoing = Outgoing.model_validate(samples.outgoing())
    assert (repr(outgoing), str(outgoing)) == ("Outgoing()", "")
    with pytest.raises(ValidationError) as caught:
        Reason.model_validate({"id": "secret"})
    assert "secret" not in str(caught.value)


def test_models_are_frozen() -> None:
    """Objects from upstream answers cannot be changed."""
    order = samples.order()
    with pytest.raises(ValidationError):
        order.parcel_id = 2  # type: ignore[misc]  # exactly what must not work


@pytest.mark.parametrize("model", [samples.session(), samples.shop_settings(), samples.service_point()], ids=repr)
def test_what_is_kept_reads_back_the_same(model: RedactedModel) -> None:
    """Sessions, settings and points survive the store and the cache."""
    assert type(model).model_validate_json(model.model_dump_json()) == model


def test_a_new_return_is_sent_with_documented_types() -> None:
    """Values are numbers, product ids are text, and members that were not chosen are absent."""
    shirt = samples.order().lines[0]
    request = samples.return_request(lines=[ReturnedLine(line=shirt, quantity=1)], service_point=20000001)
    sent = json.loads(translation.new_return(request).model_dump_json(exclude_none=True))
    assert sent["products"] == [{"product_id": "shirt", "quantity": 1, "description": "Blue shirt M", "value": 29.95}]
    assert (sent["service_point"], sent["selected_functionalities"]) == ({"id": 20000001}, {"first_mile": "dropoff"})
    assert not {"pickup_date", "images", "customs_information", "selected_carrier_code"} & sent.keys()


@pytest.mark.parametrize(("id_", "line_id"), [(1234, "1234"), ("1234", "1234"), ("00012", "00012"), ("a-1", "a-1")])
def test_product_ids_are_text(id_: object, line_id: str) -> None:
    """A product id is text, whether the upstream sends a string or an integer."""
    [line] = samples.order(products=[samples.product(id=id_)]).lines
    assert isinstance(line, OrderLine)
    assert line.id == line_id


def test_the_brand_of_the_path_is_its_own_name() -> None:
    """Settings without a brand name, id and domain are those of the brand that was asked for."""
    settings = translation.settings("my-shop", b'{"portal":{"brand":{}}}')
    assert isinstance(settings, ShopSettings)
    assert (settings.brand.domain, settings.brand.name) == ("my-shop", "my-shop")
