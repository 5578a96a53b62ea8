"""What real clients send that a browser of the day does not."""

import asyncio
import json

import pytest

from tests.support.processes import LOCAL, Bff, Valkey, fresh, running_bff
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import look_up, new_token, shopper

H2C = (
    b"POST /v1/brands/demo/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"
)
CHUNKED = (
    b"POST /v1/session/handoff HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
AGAIN = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


async def _spoken(port: int, *pieces: bytes) -> bytes:
    """All that the server says on one connection to these pieces, each sent on its own."""
    reader, writer = await asyncio.open_connection(LOCAL, port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        # A turn of the loop, so that a piece can leave before the next one joins it; the answer is the same if not.
        await asyncio.sleep(0)
    try:
        return await asyncio.wait_for(reader.read(), 30)
    finally:
        writer.close()


def _body() -> bytes:
    return json.dumps({"identifier": fresh("LABEL"), "postal_code": "5611 AA", "token_delivery": "body"}).encode()


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("split", [False, True])
async def test_a_wish_for_h2c_loses_no_body(bff: Bff, framing: str, *, split: bool) -> None:
    """A POST that asks to upgrade to h2c, as Java clients do, is served in HTTP/1.1, and its connection goes on."""
    body = _body()
    if framing == "length":
        head, content = H2C + b"Content-Length: %d\r\n\r\n" % len(body), body
    else:
        head, content = H2C + b"Transfer-Encoding: chunked\r\n\r\n", b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    pieces = (head[:40], head[40:], content[:9], content[9:], AGAIN) if split else (head + content + AGAIN,)
    said = await _spoken(bff.port, *pieces)
    assert said.startswith(b"HTTP/1.1 201 "), said
    assert said.count(b"HTTP/1.1 200 ") == 1, said


@pytest.mark.parametrize(
    "asked",
    [
        b"CONNECT elsewhere.example:443 HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n",
        b"CONNECT / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    ],
)
async def test_a_tunnel_is_refused(bff: Bff, asked: bytes) -> None:
    """A CONNECT request is refused and ends the connection."""
    assert (await _spoken(bff.port, asked)).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("head", [b"GET /livez HTTP/1.1\r\n", CHUNKED + b"0\r\n"], ids=["head", "trailers"])
@pytest.mark.parametrize("padding", [b"x" * 64 * 1024, b"X-Padding: x\r\n" * 4096], ids=["one field", "many fields"])
async def test_fields_without_end_are_cut_off(bff: Bff, head: bytes, padding: bytes) -> None:
    """A head and trailers without an end are cut off long before they could fill the memory."""
    _, writer = await asyncio.open_connection(LOCAL, bff.port)
    writer.write(head + b"X-Padding: ")

    async def send_64_mib() -> None:
        for _ in range(1024):
            writer.write(padding)
            await writer.drain()

    with pytest.raises(ConnectionError):
        await send_64_mib()
    writer.close()


@pytest.mark.parametrize("field", ["Authorization: Bearer {}", "Cookie: __Host-return_session={}"])
async def test_trailers_are_no_headers(bff: Bff, field: str) -> None:
    """A session id in the trailers of a request opens nothing: a proxy in front has not seen it with the headers."""
    trailers = field.format(await new_token(bff.http)).encode()
    said = await _spoken(bff.port, CHUNKED + b"2\r\n{}\r\n0\r\n" + trailers + b"\r\n\r\n" + AGAIN)
    assert said.startswith(b"HTTP/1.1 401 "), said
    assert said.count(b"HTTP/1.1 200 ") == 1, said


async def test_blanks_behind_a_value_are_no_part_of_it(bff: Bff) -> None:
    """A header that ends with blanks has the value before them (RFC 9110, section 5.5), as for each key and id."""
    said = await _spoken(bff.port, AGAIN.replace(b"Connection", b"X-Request-Id: a-request \t\r\nConnection"))
    assert b"\r\nx-request-id: a-request\r\n" in said, said


async def test_the_end_of_a_head_may_come_with_a_body(bff: Bff) -> None:
    """A head whose second piece brings the largest body is read, and the body after it."""
    head = CHUNKED.replace(b"Transfer-Encoding: chunked", b"Content-Length: 65536") + b"[" * 65536
    said = await _spoken(bff.port, head[:40], head[40:] + AGAIN)
    assert b'"code":"malformed-request"' in said, said
    assert said.count(b"HTTP/1.1 200 ") == 1, said


async def test_head_of_what_monitors_and_mail_programs_ask_for(bff: Bff) -> None:
    """HEAD on health checks, a shop's portal, a label and its events is the answer to GET without its body."""
    someone = await shopper(bff.http, fresh("LABEL"))
    label = (await someone.create()).headers["location"] + "/label"
    assert (await someone.get(label, Prefer="wait=30")).status_code == 200
    for path in ("/livez", "/readyz", "/v1/brands/demo/portal", label, label.replace("label", "events")):
        head = await bff.http.head(path, headers=someone.headers)
        get = await bff.http.get(path, headers=someone.headers)
        assert (head.status_code, head.content) == (200, b"")
        for name in ("content-length", "content-type", "cache-control"):
            assert head.headers.get(name) == get.headers.get(name)


async def test_origins_of_apps(valkey: Valkey, sandbox: SandboxProcess) -> None:
    """A listed origin with an app's own scheme may read answers, and no other spelling of it."""
    origins = ("capacitor://localhost", "ionic://localhost", "tauri://localhost")
    async with running_bff(valkey.url, sandbox, allowed_origins=",".join(origins)) as bff:
        for origin in origins:
            for asking, may in ((origin, True), (origin + ".evil", False), (origin.replace("://", "s://"), False)):
                answer = await bff.http.get("/v1/brands/demo/portal", headers={"Origin": asking})
                assert (answer.headers.get("access-control-allow-origin") == asking) is may


@pytest.mark.parametrize(
    ("before", "after"), [(" ", ""), ("", "\n"), ("\u200e", "\u200f"), ("\ufeff", "\u00a0"), ("\u202a", "\u202c")]
)
async def test_pasted_numbers_are_found(bff: Bff, before: str, after: str) -> None:
    """An order number and a postal code are found with what a phone adds when it pastes them."""
    order = fresh("LABEL")
    found = await look_up(bff.http, before + order + after, postal_code=f"{before}5611\u00a0AA{after}")
    assert (found.status_code, found.json()["parcel"]["order_number"]) == (201, order)


@pytest.mark.parametrize("language", ["nl_NL", "", "C", "en-US-u-hc-h12", "not a language", 7])
async def test_a_language_stops_nobody(bff: Bff, language: str | int) -> None:
    """A lookup and a portal succeed in any requested language."""
    assert (await look_up(bff.http, fresh("LABEL"), language=language)).status_code == 201
    assert (await bff.http.get("/v1/brands/demo/portal", params={"language": language})).status_code == 200


async def test_a_company_can_be_emptied(bff: Bff) -> None:
    """A return is created with a correction that empties company, house number and second line of the address."""
    someone = await shopper(bff.http, fresh("LABEL"))
    contact = {"company_name": "", "house_number": "", "address_2": "", "name": " Sam \u200f"}
    assert (await someone.create(someone.body() | {"contact": contact})).status_code == 202


@pytest.mark.parametrize("carrier", ["", "%20dhl%20", "dhl%E2%80%8B", "%EF%BD%84hl"])
async def test_a_carrier_as_it_was_pasted(bff: Bff, carrier: str) -> None:
    """The carrier of a search is cleaned like everything else that is typed, and an empty one is none."""
    someone = await shopper(bff.http, fresh("LABEL"))
    wanted = "/v1/service-points?carrier=dhl" if carrier else "/v1/service-points"
    pasted, plain = [(await someone.get(path)).json() for path in (f"/v1/service-points?carrier={carrier}", wanted)]
    assert pasted["service_points"]
    assert [point["id"] for point in pasted["service_points"]] == [point["id"] for point in plain["service_points"]]


async def test_a_live_session_survives_head(bff: Bff) -> None:
    """HEAD of the session needs the session like GET."""
    token = await new_token(bff.http)
    assert (await bff.http.head("/v1/session", headers={"Authorization": f"Bearer {token}"})).status_code == 200
    assert (await bff.http.head("/v1/session")).status_code == 401
