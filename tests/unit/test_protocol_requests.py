"""The requests as they go upstream."""

import json
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from app.domain import ServicePointQuery
from app.sendcloud import protocol
from app.sendcloud.protocol import Call
from tests.unit.test_protocol_answers import PANEL, POINTS, REQUESTS, RETURN_REQUEST, requests

PORTAL = f"{PANEL}/brand/my-shop/return-portal"


@pytest.mark.parametrize(
    ("call", "url", "failure_key"),
    [
        (Call.SETTINGS, PORTAL, "my-shop"),
        (Call.OUTGOING, f"{PORTAL}/outgoing?postal_code=5611%20AA&identifier=A-1001", "A-1001"),
        (Call.UPLOADS, f"{PORTAL}/uploads", "access"),
        (Call.INCOMING, f"{PORTAL}/incoming", "133700001"),
        (Call.POLLING, f"{PORTAL}/label/polling?token=poll", "poll"),
        (Call.DOWNLOAD, f"{PORTAL}/label/download?token=download", "download"),
        (Call.CUSTOMS, f"{PORTAL}/customs/1", "/brand/my-shop/return-portal/customs/1"),
        (Call.SERVICE_POINTS, f"{POINTS}/service-points?country=NL&access_token=points", "points"),
        (Call.SERVICE_POINT_CARRIERS, f"{POINTS}/carriers?access_token=points", "points"),
        (Call.SERVICE_POINT, f"{POINTS}/service-points/1?access_token=points", "1"),
        (Call.AVAILABILITY, f"{POINTS}/service-points/1/check-availability?access_token=points", "1"),
    ],
)
def test_a_request_goes_to_its_documented_place(call: Call, url: str, failure_key: str) -> None:
    """Paths and parameters are those of openapi/sendcloud.yaml; it knows whose call it is and what it is about."""
    request = requests()[call]
    assert (request.call, request.url, request.failure_key) == (call, url, failure_key)
    assert request.brand == "my-shop"
    assert request.method == ("POST" if call in {Call.UPLOADS, Call.INCOMING} else "GET")


def test_the_language_is_asked_for_where_it_is_known() -> None:
    """A known language is sent as a tag like en-GB."""
    assert protocol.settings(PANEL, "my-shop", "en-GB").url == f"{PORTAL}?language=en-GB"


@pytest.mark.parametrize("call", sorted(set(Call) - {Call.UPLOADS, Call.INCOMING}))
def test_reads_have_no_body_and_accept_no_compression(call: Call) -> None:
    """A GET with a body is answered 403, and a compressed answer could unpack to any size."""
    request = requests()[call]
    assert (request.method, request.body) == ("GET", None)
    assert request.headers["Accept"] == f"application/{'pdf' if call in {Call.DOWNLOAD, Call.CUSTOMS} else 'json'}"
    assert request.headers["Accept-Encoding"] == "identity"
    assert request.headers["User-Agent"] == "return-portal-bff"
    assert "Authorization" not in request.headers


def test_a_creation_carries_its_token_in_the_header_and_its_body_as_json() -> None:
    """A creation carries its token in the header and its body as JSON."""
    request = protocol.incoming(PANEL, "my-shop", "access", RETURN_REQUEST)
    assert (request.method, request.headers["Authorization"]) == ("POST", "Bearer access")
    assert request.headers["Content-Type"] == "application/json"
    assert isinstance(request.body, bytes)
    body = json.loads(request.body)
    assert body["outgoing_parcel"] == 133700001
    assert None not in body.values()


def test_any_2xx_answers_a_creation_and_nothing_else_does() -> None:
    """Any 2xx, and only that, is an answer to a creation, because its status is inferred."""
    assert list(requests()[Call.INCOMING].answers) == list(range(200, 300))


@pytest.mark.parametrize(
    "text", ["A&identifier=B", "#1", "a b", "a+b", "100%", "é", "\r\nx: y", "日本", "?", "/../", "\x00"]
)
def test_what_shoppers_type_stays_in_its_parameter(text: str) -> None:
    """Neither identifier nor postal code can add a parameter, a header or another path; httpx sends them unchanged."""
    url = httpx.URL(protocol.outgoing(PANEL, "my-shop", text, text).url)
    assert parse_qs(url.query.decode()) == {"identifier": [text], "postal_code": [text]}
    assert url.path == "/api/v2/brand/my-shop/return-portal/outgoing"


@pytest.mark.parametrize("brand", ["a/b", "a?b", "a#b", "../x", "a b", "é"])
def test_a_brand_stays_one_segment(brand: str) -> None:
    """A brand that the settings allow stays one segment of the path."""
    path = urlsplit(protocol.settings(PANEL, brand).url).path
    assert path.count("/") == 5


def test_a_search_sends_what_was_asked_and_nothing_else() -> None:
    """Carriers go as a comma list, and what is absent stays absent."""
    query = ServicePointQuery(country="NL", latitude=51.4416, longitude=5.4697, radius=5000, weight=15)
    asked = parse_qs(urlsplit(protocol.service_points(POINTS, "my-shop", "points", query, ["postnl", "dpd"]).url).query)
    assert asked == {
        "country": ["NL"],
        "latitude": ["51.441600"],
        "longitude": ["5.469700"],
        "radius": ["5000"],
        "weight": ["15"],
        "carrier": ["postnl,dpd"],
        "access_token": ["points"],
    }


def test_coordinates_near_zero_are_plain_decimals() -> None:
    """Greenwich and the equator are places too."""
    query = ServicePointQuery(country="GB", latitude=0.0, longitude=0.00001)
    assert "latitude=0.000000&longitude=0.000010&" in protocol.service_points(POINTS, "my-shop", "t", query).url


def test_requests_show_neither_tokens_nor_addresses() -> None:
    """The `repr` of a request shows only call and method."""
    secrets = ("poll", "points", "access", "A-1001", "5611", "Sam", "panel.example")
    shown = " ".join(map(repr, REQUESTS.values()))
    assert "Request(call=<Call.POLLING: 'polling'>, method='GET')" in shown
    assert not [secret for secret in secrets if secret in shown.replace("polling", "").replace("service_points", "")]


@pytest.mark.parametrize("call", sorted(protocol.SERVICE_POINT_CALLS))
def test_no_url_holds_the_token(call: Call) -> None:
    """With the token in a header, the rest of the query stays as it was."""
    before = REQUESTS[call]
    after = protocol.with_token_in_header(before)
    asked = parse_qs(urlsplit(before.url).query)
    [token] = asked.pop("access_token")
    assert parse_qs(urlsplit(after.url).query) == asked
    assert after.url.partition("?")[0] == before.url.partition("?")[0]
    assert after.headers["Authorization"] == f"AccessToken {token}"
