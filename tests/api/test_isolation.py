"""Every route for every kind of caller: the shopper, another session of the parcel, strangers, and dead sessions."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import httpx
import pytest
import pytest_asyncio
from starlette.routing import Mount, Route

from app.main import api
from tests.support.processes import Bff, Valkey, eventually, fresh, running_bff, running_valkey
from tests.support.sandbox import SandboxProcess
from tests.support.scripted_upstream import ScriptedUpstream, outgoing, scripted_upstream
from tests.support.shopper import ComesAgain, Shopper, key, shopper, told

NEVER = "rtn_" + "A" * 22
SAME_ID = {"X-Request-Id": "the-same-for-both"}
"""Makes the answers to two requests comparable byte by byte."""
PNG = b"\x89PNG\r\n\x1a\n and more"
LIVE = ("own", "parcel", "stranger", "brand")
DEAD = ("absent", "malformed", "second spelling", "wrong secret", "deleted", "expired")


class Row(NamedTuple):
    """The answers of a route to sessions of the parcel, of a stranger, of another brand, and to callers without one."""

    own: int
    stranger: int
    brand: int
    dead: int

    def status_for(self, who: str) -> int:
        """The expected answer to a caller of this kind."""
        statuses = {"own": self.own, "parcel": self.own, "stranger": self.stranger, "brand": self.brand}
        return statuses.get(who, self.dead)


PUBLIC = Row(200, 200, 200, 200)
PRIVATE = Row(200, 200, 200, 401)
OF_A_RETURN = Row(200, 404, 404, 401)
SHOPS_OWN = Row(403, 403, 403, 403)
ROUTES = {
    "GET /livez": PUBLIC,
    "GET /readyz": PUBLIC,
    "GET /metrics": PUBLIC,
    "GET /openapi.json": PUBLIC,
    "GET /docs": PUBLIC,
    "GET /docs/files/swagger-ui.css": PUBLIC,
    "GET /problems/{code}": PUBLIC,
    "GET /rp/": Row(404, 404, 404, 404),
    "GET /v1/brands/{brand}/portal": PUBLIC,
    "POST /v1/brands/{brand}/sessions": Row(201, 201, 201, 201),
    "POST /v1/handoffs": Row(404, 404, 404, 404),
    "GET /v1/session": PRIVATE,
    "DELETE /v1/session": Row(204, 204, 204, 204),
    "POST /v1/session/handoff": Row(201, 201, 201, 401),
    "GET /v1/service-points": PRIVATE,
    "GET /v1/service-points/{service_point_id}": Row(200, 200, 404, 401),
    "POST /v1/uploads": Row(201, 201, 201, 401),
    "POST /v1/returns/preview": PRIVATE,
    "POST /v1/returns": Row(409, 202, 422, 401),
    "GET /v1/returns/{return_id}": OF_A_RETURN,
    "GET /v1/returns/{return_id}/events": OF_A_RETURN,
    "GET /v1/returns/{return_id}/label": OF_A_RETURN,
    "GET /v1/returns/{return_id}/customs-declaration": OF_A_RETURN,
    "GET /v1/shops/{brand}/returns/{return_id}": SHOPS_OWN,
    "GET /v1/shops/{brand}/returns/{return_id}/units": SHOPS_OWN,
    "POST /v1/shops/{brand}/returns/{return_id}/resolve": SHOPS_OWN,
    "POST /v1/shops/{brand}/returns/{return_id}/erase": SHOPS_OWN,
    "POST /v1/shops/{brand}/returns/search": SHOPS_OWN,
    "POST /v1/shops/{brand}/returns/erase": SHOPS_OWN,
    "GET /v1/shops/{brand}/dead-events": SHOPS_OWN,
    "POST /v1/shops/{brand}/dead-events/resend": SHOPS_OWN,
    "POST /v1/brands/{brand}/upstream-events": Row(404, 404, 404, 404),
}
"""A route that is not in this table fails the first test."""
RETURNS = [route for route, row in ROUTES.items() if row is OF_A_RETURN]
GUARDED = [route for route, row in ROUTES.items() if row.dead == 401]


@dataclass
class World:
    """One order with a finished return, and callers of every kind."""

    bff: Bff
    store: Valkey
    order: str
    location: str
    known: dict[str, dict[str, str]] = field(default_factory=dict)
    """Credentials that tests share."""

    async def shopper(self, who: str) -> Shopper:
        """A shopper with a session of this kind; a stranger's session is of another order or another shop."""
        order = self.order if who in {"own", "parcel", "brand"} else fresh("INTL")
        return await shopper(self.bff.http, order, brand="guide" if who == "brand" else "demo")

    async def headers(self, who: str) -> dict[str, str]:
        """The credential of a caller of this kind, for calls that end no session."""
        if who not in self.known:
            self.known[who] = await self.new_headers(who)
        return self.known[who]

    async def new_headers(self, who: str) -> dict[str, str]:
        """A credential of this kind that no other test uses."""
        if who in LIVE:
            return (await self.shopper(who)).headers
        return {"Authorization": f"Bearer {await self.dead(who)}"}

    async def dead(self, who: str) -> str:
        """An id that opens nothing."""
        id_ = str((await self.shopper("own")).screen["session_token"])
        name, headers = f"s:{{{id_[4:26]}}}", {"Authorization": f"Bearer {id_}"}
        if who == "deleted":
            await self.bff.http.delete("/v1/session", headers=headers)
        if who == "expired":
            await self.store.client.pexpire(name, 1)
            await eventually(lambda: self.is_gone(name), 5)
        never = f"rps_{'A' * 22}.{'A' * 43}"
        changed = {"absent": never, "malformed": id_ + "=", "wrong secret": id_[:27] + "A" * 43}
        return changed.get(who, id_[:-1] + chr(ord(id_[-1]) + 1) if who == "second spelling" else id_)

    async def is_gone(self, name: str) -> bool:
        """Whether the store has forgotten this key."""
        return not await self.store.client.exists(name)

    async def call(self, route: str, headers: dict[str, str], return_id: str = "") -> httpx.Response:
        """The answer of a route to a sound request, about the return of the order unless another is named."""
        method, template = route.split()
        filled = {"return_id": return_id or self.location.rpartition("/")[2], "brand": "demo", "code": "not-found"}
        path = template.format(**filled, service_point_id=20000001)
        sent = body(path) if method == "POST" else {}
        return await self.bff.http.request(method, path, headers=headers | {"Idempotency-Key": key()}, **sent)


def body(path: str) -> dict[str, Any]:
    """A sound body for the call."""
    if path == "/v1/uploads":
        return {"files": {"photo": PNG}}
    if path.startswith("/v1/returns"):
        return {"json": a_return()}
    wanted = {"identifier": fresh("LABEL"), "postal_code": "5611 AA", "token_delivery": "body"}
    handoff = {"token": f"rph_{'A' * 22}.{'A' * 43}", "token_delivery": "body"}
    return {"json": {"/v1/handoffs": handoff, "/v1/session/handoff": {}}.get(path, wanted)}


def a_return(**changes: object) -> dict[str, Any]:
    """One unit of what every order of these shops has."""
    return {
        "items": [{"id": "1234", "quantity": 1, "reason": 11}],
        "refund": {"type": "money"},
        "delivery": {"option": "pickup"},
        "customs": {"invoice_number": "1"},
    } | changes


@pytest_asyncio.fixture(scope="module", name="world")
async def one_world(sandbox: SandboxProcess) -> AsyncIterator[World]:
    """A return with label and customs declaration."""
    async with running_valkey() as store, running_bff(store.url, sandbox, poll_interval=0.1) as bff:
        order = fresh("INTL")
        someone = await shopper(bff.http, order)
        customs = {"invoice_number": "1"}
        location = (await someone.create(someone.body("pickup", customs=customs))).headers["location"]
        await someone.settled(location)
        bff.http.auth = ComesAgain()
        yield World(bff, store, order, location)


def served(routes: list[Any]) -> Iterator[str]:
    """Method and template of every route, those of included routers as well, and one file of mounted ones."""
    for each in routes:
        if isinstance(each, Mount):
            yield f"GET {each.path}/swagger-ui.css"
        elif isinstance(each, Route):
            yield from (f"{method} {each.path}" for method in (each.methods or set()) - {"HEAD"})
        else:
            yield from served(each.original_router.routes)


def test_every_route_is_in_the_table() -> None:
    """The table states for every route which callers may have what from it."""
    assert sorted(served(api().routes)) == sorted(ROUTES)


@pytest.mark.parametrize("callers", [("own", "parcel"), ("stranger",), ("brand",), DEAD], ids="+".join)
@pytest.mark.parametrize("route", ROUTES)
async def test_who_gets_what(world: World, sandbox: SandboxProcess, route: str, callers: tuple[str, ...]) -> None:
    """Each route answers every kind of caller as the table says, and no stranger causes a call about the order."""
    ends = route in {"DELETE /v1/session", "POST /v1/brands/{brand}/sessions"}
    # First all credentials: for some of them the order is looked up.
    headers = [await (world.new_headers(who) if ends else world.headers(who)) for who in callers]
    before = await sandbox.ledger(order=world.order, brand="demo")
    for who, credential in zip(callers, headers, strict=True):
        response = await world.call(route, credential)
        assert response.status_code == ROUTES[route].status_for(who), (who, response.text)
    if "own" not in callers:
        assert await sandbox.ledger(order=world.order, brand="demo") == before


def comparable(response: httpx.Response, path: str) -> tuple[int, list[tuple[str, str]], str]:
    """All of an answer but the moment, and the path that was asked for."""
    headers = [each for each in response.headers.multi_items() if each[0] not in {"date", "content-length"}]
    return response.status_code, sorted(headers), response.text.replace(path, "")


MALFORMED = ("rtn_", "x", NEVER + "A", NEVER[:-1], NEVER[:-1] + "*", "RTN_" + "A" * 22, "A" * 500, "%00", "..%2f")


@pytest.mark.parametrize("who", ["stranger", "brand"])
@pytest.mark.parametrize("route", RETURNS)
async def test_foreign_returns_look_like_none(world: World, route: str, who: str) -> None:
    """A return of another parcel or brand, one that never existed and a malformed id get identical answers."""
    headers = await world.headers(who) | SAME_ID
    foreign = await world.call(route, headers)
    assert told(foreign) == (404, "return-not-found")
    expected = comparable(foreign, world.location)
    for return_id in (NEVER, world.location[-26:].swapcase(), *MALFORMED[:-2]):
        absent = await world.call(route, headers, return_id)
        assert comparable(absent, f"/v1/returns/{return_id}") == expected


@pytest.mark.parametrize("return_id", MALFORMED)
@pytest.mark.parametrize("route", RETURNS)
async def test_malformed_returns(world: World, route: str, return_id: str) -> None:
    """A malformed id finds nothing, not even for its own shopper."""
    response = await world.call(route, await world.headers("own"), return_id)
    assert response.status_code == 404
    assert response.json()["code"] in {"return-not-found", "not-found"}


@pytest.mark.parametrize("route", GUARDED)
async def test_dead_sessions_look_alike(world: World, route: str) -> None:
    """A session that never existed, is over or was guessed wrongly gets the same answer, byte for byte."""
    answers = [comparable(await world.call(route, await world.headers(who) | SAME_ID), "") for who in DEAD]
    assert [each for each in answers if each != answers[0]] == []
    assert '"session-expired"' in answers[0][2]


@pytest.mark.parametrize("route", RETURNS)
async def test_without_a_session_no_return_is_told_from_none(world: World, route: str) -> None:
    """A caller without a session cannot learn whether a return exists."""
    for headers in (SAME_ID, await world.headers("absent") | SAME_ID):
        there, never = [await world.call(route, headers, each) for each in ("", NEVER)]
        assert comparable(there, world.location) == comparable(never, f"/v1/returns/{NEVER}")


SMUGGLED = {
    "outgoing_parcel": 133700001,
    "parcel": 133700001,
    "brand": "guide",
    "scope": "A" * 22,
    "access_token": "eyJ",
    "service_points_token": "eyJ",
    "poller_url": "https://panel.sendcloud.sc/",
    "incoming_parcel": {"from_name": "x"},
    "products": [],
    "session_token": "rps_",
    "identifier": "LABEL-1",
}


@pytest.mark.parametrize("member", SMUGGLED)
@pytest.mark.parametrize("path", ["/v1/returns", "/v1/returns/preview"])
async def test_what_the_session_knows_cannot_be_sent(
    world: World, sandbox: SandboxProcess, path: str, member: str
) -> None:
    """Parcel, brand, tokens and everything else that only the session knows are unknown members of a return."""
    headers = await world.headers("stranger") | {"Idempotency-Key": key()}
    before = len(await sandbox.ledger(kind="incoming"))
    response = await world.bff.http.post(path, json=a_return(**{member: SMUGGLED[member]}), headers=headers)
    assert told(response) == (422, "invalid-request")
    found = [(error["pointer"], error["code"]) for error in response.json()["errors"]]
    assert found == [(f"#/{member}", "extra-forbidden")]
    assert len(await sandbox.ledger(kind="incoming")) == before


@pytest.mark.parametrize("member", SMUGGLED)
async def test_the_query_chooses_nothing(world: World, member: str) -> None:
    """Brand, parcel or tokens in the query of a session's calls change nothing."""
    headers = await world.headers("own") | SAME_ID
    plain, smuggled = [
        await world.bff.http.get("/v1/session", params=params, headers=headers)
        for params in ({}, {member: str(SMUGGLED[member])})
    ]
    assert smuggled.content == plain.content


@pytest.mark.parametrize("host", ["evil.example", "localhost/metrics?", "a@b:99999", "guide.demo"])
async def test_the_host_decides_nothing(world: World, host: str) -> None:
    """The Host of a request changes no access, and no header repeats it."""
    for headers in (await world.headers("own"), {}):
        plain, odd = [
            await world.bff.http.get("/v1/session", headers=headers | SAME_ID | named) for named in ({}, {"Host": host})
        ]
        assert (odd.status_code, odd.content) == (plain.status_code, plain.content)
        assert host not in str(odd.headers)


@pytest_asyncio.fixture(scope="module", name="odd")
async def _odd(store: Valkey, sandbox: SandboxProcess) -> AsyncIterator[tuple[Bff, ScriptedUpstream]]:
    async with scripted_upstream() as upstream, running_bff(store.url, sandbox, upstream_url=upstream.url) as bff:
        yield bff, upstream


async def test_one_parcel_id_in_two_brands(odd: tuple[Bff, ScriptedUpstream]) -> None:
    """The same parcel id in another brand is another parcel, with returns of its own; it alone is counted as shared."""
    bff, upstream = odd
    upstream.say(outgoing=outgoing())
    first, other = [await shopper(bff.http, "A-1001", brand=brand) for brand in ("demo", "guide")]
    location = (await first.create(first.body("pickup"))).headers["location"]
    assert (await first.get(location)).status_code == 200
    assert told(await other.get(location)) == (404, "return-not-found")
    assert (await other.get("/v1/session")).json()["returns"] == []
    upstream.say(outgoing=outgoing({"id": 2}))
    await shopper(bff.http, "A-1002", brand="guide")
    assert "bff_parcels_of_two_brands_total 1.0" in (await bff.http.get("/metrics")).text


@pytest.mark.parametrize("parcel_id", [0, -1, 2**53 + 1, 2**70, True, "0"])
async def test_what_is_no_parcel_id_is_shared_by_nobody(
    store: Valkey, odd: tuple[Bff, ScriptedUpstream], parcel_id: object
) -> None:
    """An id that names no parcel for certain counts as none: two orders with the same one see nothing of each other."""
    bff, upstream = odd
    scopes = [await _scopes(store)]
    for order in (fresh("A"), fresh("A")):
        upstream.say(outgoing=outgoing({"id": parcel_id, "order_number": order, "tracking_number": ""}))
        someone = await shopper(bff.http, order)
        assert told(await someone.create(someone.body("pickup"))) == (409, "not-returnable-online")
        scopes.append(await _scopes(store))
    assert [each - scopes[0] for each in scopes] == [0, 1, 2]


async def _scopes(store: Valkey) -> int:
    return len([key async for key in store.client.scan_iter(match="p:{*}:sessions")])


async def test_the_key_of_another(world: World) -> None:
    """A stranger with the shopper's own idempotency key and body learns nothing of the return that was made with it."""
    used, first, second = key(), await world.shopper("stranger"), await world.shopper("stranger")
    body = a_return()
    made, other = [await each.create(body, used) for each in (first, second)]
    assert (made.status_code, other.status_code) == (202, 202)
    assert made.json()["id"] != other.json()["id"]
    assert made.headers["location"] not in str(other.headers) + other.text
