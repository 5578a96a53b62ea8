"""Pages of other sites can do nothing with a shopper's browser, and exactly one credential counts."""

import string
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, NamedTuple

import httpx
import pytest
import pytest_asyncio
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st

from app.http.callers.credentials import session_cookie
from app.http.callers.session_id import SessionId
from app.redis.encryption import seal
from tests.support.descriptions import OURS
from tests.support.processes import Bff, Valkey, free_port, fresh, running_bff
from tests.support.samples import UNCHANGED
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import COOKIE, ELSEWHERE, SHOP, Shopper, credential, look_up, new_token, shopper, told

SESSIONS = "/v1/brands/demo/sessions"
JSON = {"Content-Type": "application/json"}
NEVER = "/v1/returns/rtn_" + "A" * 22


@pytest_asyncio.fixture(scope="module", name="alone")
async def bff_without_a_store(sandbox: SandboxProcess) -> AsyncIterator[Bff]:
    """The same without anybody behind it."""
    async with running_bff(f"redis://127.0.0.1:{free_port()}/0", sandbox, allowed_origins=SHOP) as process:
        yield process


async def test_the_cookie(shop: Bff) -> None:
    """The cookie has exactly the attributes that keep it from scripts, other sites, sub-domains and plain http."""
    cookie = (await look_up(shop.http, fresh("LABEL"), delivery="cookie")).headers["set-cookie"]
    value, *attributes = cookie.split("; ")
    assert value.startswith(f"{COOKIE}=rps_")
    assert sorted(attributes) == ["HttpOnly", "Path=/", "SameSite=strict", "Secure"]


# Cookie, Authorization ({} stands for a live id, {other} for another one), and what they amount to.
CREDENTIALS = [
    ("", "", (401, "session-required")),
    ("{}", "", 200),
    ("", "Bearer {}", 200),
    ("", "bearer {}", 200),
    ("{}", "Bearer {}", (400, "two-credentials")),
    ("{}", "Bearer {other}", (400, "two-credentials")),
    ("garbage", "Bearer {}", (400, "two-credentials")),
    ("{}", "Bearer garbage", (400, "two-credentials")),
    ("{}", "Basic dTpw", (400, "two-credentials")),
    ("", "Basic dTpw", (401, "session-required")),
    ("", "Bearer", (401, "session-required")),
    ("", "Token {}", (401, "session-required")),
    ("", "Bearer {} {other}", (401, "session-expired")),
    ("", "Bearer {},{other}", (401, "session-expired")),
    ("garbage", "", (401, "session-expired")),
]


@pytest.mark.parametrize(("cookie", "authorization", "expected"), CREDENTIALS)
async def test_credentials(shop: Bff, cookie: str, authorization: str, expected: int | tuple[int, str]) -> None:
    """Exactly one credential counts, as cookie or as bearer token; two are refused, even if they are the same."""
    first, other = await new_token(shop.http), await new_token(shop.http)
    filled = {name: text.format(first, other=other) for name, text in (("c", cookie), ("a", authorization)) if text}
    headers = {"Cookie": f"{COOKIE}={filled['c']}"} if cookie else {}
    headers |= {"Authorization": filled["a"]} if authorization else {}
    response = await shop.http.get("/v1/session", headers=headers)
    assert (response.status_code if response.is_success else told(response)) == expected


# A browser keeps these bytes as part of a name, so a page of a sibling domain can set such a cookie.
TOSSED = [b"\x85", b"\xa0", b"\xc2\xa0", b"\xe2\x80\x8b"]


@pytest.mark.parametrize("prefix", TOSSED)
async def test_names_are_compared_byte_by_byte(shop: Bff, prefix: bytes) -> None:
    """A cookie whose name starts with a byte that some readers strip is not the session's cookie."""
    mine, planted = await new_token(shop.http), await new_token(shop.http)
    tossed = prefix + f"{COOKIE}={planted}".encode()
    alone = await shop.http.get("/v1/session", headers=[(b"Cookie", tossed)])
    assert told(alone) == (401, "session-required")
    both = [(b"Cookie", tossed + f"; {COOKIE}={mine}".encode())]
    assert (await shop.http.delete("/v1/session", headers=both)).status_code == 204
    assert (await shop.http.get("/v1/session", headers=credential(planted, "body"))).status_code == 200
    assert told(await shop.http.get("/v1/session", headers=credential(mine, "body"))) == (401, "session-expired")


@pytest.mark.parametrize("separator", ["; ", "\r\nCookie: "])
@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/session"), ("DELETE", "/v1/session"), ("POST", SESSIONS)])
async def test_several_session_cookies_are_refused(shop: Bff, method: str, path: str, separator: str) -> None:
    """A request with two cookies of the session's name is refused, in one header line or in two."""
    token = await new_token(shop.http)
    cookies = separator.join([f"{COOKIE}={token}"] * 2).split("\r\nCookie: ")
    body = {"identifier": fresh("LABEL"), "postal_code": "5611 AA"} if method == "POST" else None
    response = await shop.http.request(method, path, json=body, headers=[("Cookie", each) for each in cookies])
    assert told(response) == (400, "two-credentials")


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/session"), ("DELETE", "/v1/session"), ("POST", SESSIONS)])
async def test_several_bearer_tokens_are_refused(shop: Bff, method: str, path: str) -> None:
    """A request with two Authorization fields is refused, because a proxy in front may have looked at either."""
    one, other = [("Authorization", f"Bearer {await new_token(shop.http)}") for _ in range(2)]
    body = {"identifier": fresh("LABEL"), "postal_code": "5611 AA"} if method == "POST" else None
    response = await shop.http.request(method, path, json=body, headers=[one, other])
    assert told(response) == (400, "two-credentials")


def test_cookies_are_read_in_linear_time() -> None:
    """A header of 32 KiB that takes a quadratic parser seconds is read at once, session cookie included."""
    hostile = b'a="' + b"\\" * 32_000 + b'"; __Host-return_session=mine'
    started = time.process_time()
    found = session_cookie(Request({"type": "http", "headers": [(b"cookie", hostile)]}))
    assert (found, time.process_time() - started < 0.5) == ("mine", True)


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", "/v1/session"), ("POST", SESSIONS), ("POST", "/v1/returns"), ("POST", "/v1/handoffs"), ("GET", NEVER)],
)
async def test_two_credentials(shop: Bff, method: str, path: str) -> None:
    """No call, login included, chooses between two credentials."""
    token = await new_token(shop.http)
    body = {"token": "x", "identifier": fresh("LABEL"), "postal_code": "5611 AA"} if method == "POST" else None
    response = await shop.http.request(
        method, path, json=body, headers=credential(token, "cookie") | credential(token, "body")
    )
    assert told(response) == (400, "two-credentials")
    assert (await shop.http.get("/v1/session", headers=credential(token, "body"))).status_code == 200


@pytest.mark.parametrize("member", ["session_token", "session_id", "token", COOKIE])
async def test_ids_come_in_headers_only(shop: Bff, member: str) -> None:
    """An id in the query opens nothing, and one in the body of a lookup is an unknown member."""
    token = await new_token(shop.http)
    assert told(await shop.http.get("/v1/session", params={member: token})) == (401, "session-required")
    planted = await look_up(shop.http, fresh("LABEL"), **{member: token})
    assert told(planted) == (422, "invalid-request")
    assert [error["code"] for error in planted.json()["errors"]] == ["extra-forbidden"]


# Who may call: Sec-Fetch-Site, Origin, and whether a page with the cookie may come through.
CALLERS = [
    (None, None, True),
    ("same-origin", None, True),
    ("same-origin", ELSEWHERE, True),
    ("same-site", None, False),
    ("same-site", SHOP, True),
    ("same-site", ELSEWHERE, False),
    ("cross-site", None, False),
    ("cross-site", SHOP, True),
    ("cross-site", ELSEWHERE, False),
    ("cross-site", "null", False),
    ("none", None, False),
    (None, SHOP, True),
    (None, ELSEWHERE, False),
    (None, "null", False),
    (None, f"{SHOP}.elsewhere.example", False),
    (None, SHOP.upper(), False),
]


def page(site: str | None, origin: str | None) -> dict[str, str]:
    """The headers a browser adds for a page of this origin."""
    stated = {"Sec-Fetch-Site": site, "Origin": origin}
    return {name: value for name, value in stated.items() if value is not None}


@pytest.mark.parametrize("delivery", ["cookie", "body"])
@pytest.mark.parametrize(("site", "origin", "may"), CALLERS)
async def test_pages_of_other_sites_cannot_look_up(
    shop: Bff, delivery: str, site: str | None, origin: str | None, *, may: bool
) -> None:
    """Only our own pages and listed origins start a session in the cookie; anybody may start one in the body."""
    wanted = {"identifier": fresh("LABEL"), "postal_code": "5611 AA", "token_delivery": delivery}
    response = await shop.http.post("/v1/brands/demo/sessions", json=wanted, headers=page(site, origin))
    assert response.status_code == (201 if may or delivery == "body" else 403)
    assert ("set-cookie" in response.headers) == (may and delivery == "cookie")


@pytest.mark.parametrize("delivery", ["cookie", "body"])
@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("call", [("DELETE", "/v1/session", 204), ("POST", "/v1/returns", 422)])
async def test_pages_of_other_sites_cannot_act(
    shop: Bff, call: tuple[str, str, int], delivery: str, caller: tuple[str | None, str | None, bool]
) -> None:
    """Only our own pages and listed origins act with the cookie; the bearer token needs no such proof."""
    (method, path, passed), (site, origin, may) = call, caller
    headers = credential(await new_token(shop.http), delivery) | page(site, origin) | {"Idempotency-Key": "k" * 16}
    response = await shop.http.request(method, path, headers=headers, json={} if method == "POST" else None)
    assert response.status_code == (403 if delivery == "cookie" and not may else passed)


class Forged(NamedTuple):
    """A call that a page of another site makes with the victim's cookie."""

    method: str
    path: str
    page: dict[str, str]
    status: int = 403
    sent: Mapping[str, object] = UNCHANGED
    """A sound body in JSON unless told otherwise."""

    def body(self, someone: Shopper, order: str) -> dict[str, Any]:
        """What is sent."""
        wanted = {"identifier": order, "postal_code": "5611 AA", **self.sent}
        sound = {SESSIONS: wanted, "/v1/returns": someone.body(), "/v1/returns/preview": someone.body()}
        is_raw = self.method == "DELETE" or self.sent.keys() & {"data", "files", "content"}
        return dict(self.sent) if is_raw else {"json": sound.get(self.path, {})}


FOREIGN = {"Sec-Fetch-Site": "cross-site", "Origin": ELSEWHERE}
SIBLING = {"Sec-Fetch-Site": "same-site", "Origin": "https://blog.shop.example"}
TYPED = {"content": b'{"items": []}', "headers": {"Content-Type": "text/plain"}}
FORM = {"data": {"items": "1"}}
FILE = {"files": {"photo": b"\x89PNG\r\n\x1a\n and more"}}
FORGED = {
    "a form": Forged("POST", "/v1/returns", FOREIGN, 415, FORM),
    "a form with its file": Forged("POST", "/v1/returns", FOREIGN, 415, FILE),
    "text that is JSON": Forged("POST", "/v1/returns", FOREIGN, 415, TYPED),
    "another site": Forged("POST", "/v1/returns", FOREIGN),
    "another site in an old browser": Forged("POST", "/v1/returns", {"Origin": ELSEWHERE}),
    "another site without origin": Forged("POST", "/v1/returns", {"Sec-Fetch-Site": "cross-site"}),
    "a sandboxed frame": Forged("POST", "/v1/returns", {"Sec-Fetch-Site": "cross-site", "Origin": "null"}),
    "a null origin": Forged("POST", "/v1/returns", {"Origin": "null"}),
    "a sibling sub-domain": Forged("POST", "/v1/returns", SIBLING),
    "the same site": Forged("POST", "/v1/returns", {"Sec-Fetch-Site": "same-site"}),
    "the address bar": Forged("POST", "/v1/returns", {"Sec-Fetch-Site": "none"}),
    "an upload": Forged("POST", "/v1/uploads", FOREIGN, sent=FILE),
    "an upload of a sibling": Forged("POST", "/v1/uploads", SIBLING, sent=FILE),
    "a preview": Forged("POST", "/v1/returns/preview", FOREIGN),
    "a link to another device": Forged("POST", "/v1/session/handoff", FOREIGN),
    "the end of the session": Forged("DELETE", "/v1/session", FOREIGN),
    "the end by a sibling": Forged("DELETE", "/v1/session", SIBLING),
    "a login in the cookie": Forged("POST", SESSIONS, FOREIGN, sent={"token_delivery": "cookie"}),
    "a login in the body": Forged("POST", SESSIONS, FOREIGN, sent={"token_delivery": "body"}),
    "a login by a form": Forged("POST", SESSIONS, FOREIGN, 415, FORM),
    "another verb": Forged("POST", "/v1/session", FOREIGN | {"X-HTTP-Method-Override": "DELETE"}, 405),
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
async def test_forged_calls(shop: Bff, sandbox: SandboxProcess, forged: Forged) -> None:
    """A page of another site gets nothing done with the shopper's cookie: nothing goes upstream, the session lives."""
    order = fresh("LABEL")
    someone = await shopper(shop.http, order, delivery="cookie")
    before = await sandbox.ledger(order=order)
    body = forged.body(someone, order)
    headers = someone.headers | {"Idempotency-Key": "k" * 16} | forged.page | body.get("headers", {})
    response = await shop.http.request(forged.method, forged.path, **(body | {"headers": headers}))
    assert response.status_code == forged.status
    assert response.headers["content-type"] == "application/problem+json"
    assert "set-cookie" not in response.headers
    assert (await someone.get("/v1/session")).status_code == 200
    assert await sandbox.ledger(order=order) == before


@pytest.mark.parametrize("page", [{}, {"Sec-Fetch-Site": "same-origin"}, {"Origin": SHOP}])
async def test_our_own_pages(shop: Bff, sandbox: SandboxProcess, page: dict[str, str]) -> None:
    """A call from our own page, from a listed one or from no browser creates the return."""
    order = fresh("LABEL")
    someone = await shopper(shop.http, order, delivery="cookie")
    someone.headers |= page
    assert (await someone.create()).status_code == 202
    assert len(await sandbox.ledger(order=order, kind="incoming")) == 1


@pytest.mark.parametrize(("path", "status"), [("/v1/brands/demo/portal", 200), ("/v1/session", 401), ("/nope", 404)])
@pytest.mark.parametrize(("origin", "shown"), [(SHOP, SHOP), (ELSEWHERE, None)])
async def test_cors(shop: Bff, path: str, status: int, origin: str, shown: str | None) -> None:
    """Pages of a listed origin can read answers and errors with their useful headers; others can read nothing."""
    response = await shop.http.get(path, headers={"Origin": origin})
    assert response.status_code == status
    assert response.headers.get("access-control-allow-origin") == shown
    assert "Origin" in response.headers["vary"]
    exposed = set(response.headers["access-control-expose-headers"].split(", "))
    assert {"Location", "Retry-After", "ETag", "X-Request-Id"} <= exposed


PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "idempotency-key, content-type"}


@pytest.mark.parametrize("path", ["/v1/returns", "/nope"])
async def test_preflight(shop: Bff, path: str) -> None:
    """A listed origin may send our headers with credentials."""
    response = await shop.http.options(path, headers={"Origin": SHOP} | PREFLIGHT)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == SHOP
    assert response.headers["access-control-allow-credentials"] == "true"
    assert "PUT" not in response.headers["access-control-allow-methods"]


@pytest.mark.parametrize(
    "changes",
    [
        {"Origin": ELSEWHERE},
        {"Origin": "null"},
        {"Access-Control-Request-Method": "PUT"},
        {"Access-Control-Request-Headers": "x-partner-key"},
        {"Access-Control-Request-Private-Network": "true"},
    ],
)
async def test_refused_preflight(shop: Bff, changes: dict[str, str]) -> None:
    """A preflight for a call that is not allowed is answered without a body and without a permission."""
    response = await shop.http.options("/v1/returns", headers={"Origin": SHOP} | PREFLIGHT | changes)
    assert (response.status_code, response.content) == (204, b"")
    assert "Origin" in response.headers["vary"]
    assert [name for name in response.headers if name.startswith("access-control")] == []


async def test_options_that_are_no_preflight(shop: Bff) -> None:
    """OPTIONS without the headers of a preflight is refused as a method that the resource does not have."""
    response = await shop.http.options("/v1/returns", headers={"Origin": SHOP})
    assert told(response) == (405, "method-not-allowed")


@pytest.mark.parametrize(
    "media_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "text/json"],
)
async def test_forms_cannot_look_up(shop: Bff, media_type: str) -> None:
    """A body that a form of another site can send is not read, even if its content is JSON."""
    response = await shop.http.post(
        "/v1/brands/demo/sessions",
        content=b'{"identifier": "LABEL-1", "postal_code": "5611 AA"}',
        headers={"Content-Type": media_type},
    )
    assert told(response) == (415, "unsupported-media-type")


VISIBLE = st.text(string.ascii_letters + string.digits + string.punctuation, min_size=1, max_size=40)
ORIGINS = st.one_of(
    VISIBLE,
    st.builds(
        "{}{}{}".format, st.sampled_from(["", "https://", "http://", "//"]), VISIBLE, st.sampled_from(["", SHOP])
    ),
    st.builds(lambda text: SHOP + text, VISIBLE),
    st.sampled_from(
        ["null", "*", SHOP.upper(), SHOP + ":443", SHOP + "/", SHOP + ".", SHOP.replace("s:", ":"), "https"]
    ),
).filter(lambda origin: origin != SHOP)


@given(origin=ORIGINS)
async def test_no_origin_is_reflected(shop: Bff, origin: str) -> None:
    """A page whose origin is not listed, letter by letter, may read no answer."""
    answer = await shop.http.get("/livez", headers={"Origin": origin})
    preflight = await shop.http.options("/livez", headers={"Origin": origin} | PREFLIGHT)
    for response in (answer, preflight):
        assert "access-control-allow-origin" not in response.headers
        assert "Origin" in response.headers["vary"]
    assert preflight.status_code == 204


async def unreadable(_shop: Bff, store: Valkey) -> dict[str, str]:
    """The header of a session whose record cannot be understood."""
    session_id = SessionId.new()
    sealed = seal(session_id.secret, b"{}", f"session|{session_id.key}|1")
    await store.client.set(f"s:{{{session_id.key}}}", sealed, ex=60)
    return credential(session_id.token, "body")


async def nobody(_bff: Bff, _store: Valkey) -> dict[str, str]:
    """No session at all."""
    return {}


async def somebody(shop: Bff, _: Valkey) -> dict[str, str]:
    """The header of a live session."""
    return credential(await new_token(shop.http), "body")


Who = Callable[[Bff, Valkey], Awaitable[dict[str, str]]]
WRONG: dict[int, tuple[Who, str, str, dict[str, Any]]] = {
    400: (somebody, "POST", "/v1/returns", {"content": b"{", "headers": JSON}),
    401: (nobody, "GET", "/v1/session", {}),
    404: (somebody, "GET", NEVER, {}),
    405: (nobody, "PUT", "/v1/session", {}),
    413: (nobody, "POST", SESSIONS, {"content": b" " * 70_000, "headers": JSON}),
    415: (nobody, "POST", SESSIONS, {"content": b"{}", "headers": {"Content-Type": "text/plain"}}),
    422: (nobody, "POST", SESSIONS, {"json": {}}),
    431: (nobody, "GET", "/livez", {"headers": {"Padding": "x" * 33_000}}),
    502: (
        nobody,
        "POST",
        SESSIONS,
        {"json": {"identifier": "LOOKUP500-1", "postal_code": "5611 AA", "token_delivery": "body"}},
    ),
    503: (unreadable, "GET", "/v1/session", {}),
}


def is_readable(response: httpx.Response, origin: str) -> bool:
    """Whether a page of this origin may read this problem, after all that every answer needs was seen in it."""
    assert response.headers["content-type"] == "application/problem+json"
    assert "Origin" in response.headers["vary"]
    return origin in response.headers.get_list("access-control-allow-origin")


@pytest.mark.parametrize(("origin", "may"), [(SHOP, True), (ELSEWHERE, False)])
@pytest.mark.parametrize("status", WRONG)
async def test_errors_and_cors(shop: Bff, store: Valkey, status: int, origin: str, *, may: bool) -> None:
    """A listed page can read every problem, those of the outermost layers included; others can read none."""
    who, method, path, sent = WRONG[status]
    headers = sent.get("headers", {}) | {"Origin": origin} | await who(shop, store)
    response = await shop.http.request(method, path, **(sent | {"headers": headers}))
    assert response.status_code == status
    assert is_readable(response, origin) is may


@pytest.mark.parametrize(("origin", "may"), [(SHOP, True), (ELSEWHERE, False)])
async def test_trouble_and_cors(alone: Bff, origin: str, *, may: bool) -> None:
    """A page of a listed origin can read that the service is unavailable."""
    response = await alone.http.get("/v1/brands/demo/portal", headers={"Origin": origin})
    assert response.status_code == 503
    assert is_readable(response, origin) is may


READS = [path for path, operations in OURS["paths"].items() if "get" in operations]


@pytest.mark.parametrize("path", READS)
async def test_head(shop: Bff, path: str) -> None:
    """HEAD is answered like GET without a body, problems included, and the connection lives on."""
    async with httpx.AsyncClient(base_url=shop.http.base_url, trust_env=False) as http:
        asked = path.replace("{", "").replace("}", "")
        head, get = await http.head(asked), await http.get(asked)
        assert (head.status_code, head.content) == (get.status_code, b"")
        assert head.headers["content-type"] == get.headers["content-type"]
        assert (await http.get("/livez")).json() == {"status": "ok"}


@pytest.mark.parametrize("path", ["/docs/files/swagger-ui.css", "/openapi.json"])
async def test_head_of_documents(shop: Bff, path: str) -> None:
    """HEAD works for the files of the API description."""
    head = await shop.http.head(path)
    assert (head.status_code, head.content) == (200, b"")
