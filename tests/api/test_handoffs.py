"""Handoffs: a session goes on, once, on another device."""

import asyncio
import base64
import json
import re
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import pytest

from tests.support.processes import LOCAL, Bff, Valkey, fresh, running_bff
from tests.support.proxy import running_proxy
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import ELSEWHERE, SHOP, Shopper, shopper, told

PAGE = f"{SHOP}/returns?step=label"
NEVER = "rph_AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
STORE_DELAY_SECONDS = 0.05
"""Either way: long enough for ten requests to arrive."""


async def hand_off(someone: Shopper, page: str | None = None, **headers: str) -> httpx.Response:
    """The answer to a wish for a link."""
    return await someone.http.post("/v1/session/handoff", json={"page": page}, headers=someone.headers | headers)


async def redeem(shop: Bff, token: str, delivery: str = "body", **headers: str) -> httpx.Response:
    """The answer to a device that brings this token."""
    return await shop.http.post("/v1/handoffs", json={"token": token, "token_delivery": delivery}, headers=headers)


async def token_of(someone: Shopper) -> str:
    """The token of a new handoff."""
    return str((await hand_off(someone)).json()["token"])


async def test_going_on_elsewhere(shop: Bff) -> None:
    """The other device gets a session of its own for the same parcel and its returns; the first one goes on as well."""
    first = await shopper(shop.http, fresh("LABEL"))
    created = (await first.create()).json()
    screen = (await redeem(shop, await token_of(first))).json()
    second = Shopper(shop.http, screen, {"Authorization": f"Bearer {screen['session_token']}"})
    assert screen["session_token"] != first.screen["session_token"]
    assert (screen["parcel"], screen["expires_at"]) == (first.screen["parcel"], first.screen["expires_at"])
    for someone in (first, second):
        assert (await someone.get(f"/v1/returns/{created['id']}")).status_code == 200


async def test_cookie(shop: Bff) -> None:
    """A browser may have its new session in the cookie, and then no body shows its id."""
    answer = await redeem(shop, await token_of(await shopper(shop.http, fresh("LABEL"))), "cookie")
    assert answer.json()["session_token"] is None
    assert re.fullmatch(
        r"__Host-return_session=rps_\S{66}; HttpOnly; Path=/; SameSite=strict; Secure", answer.headers["set-cookie"]
    )


async def test_once(store: Valkey, sandbox: SandboxProcess) -> None:
    """Ten devices bring one token at once, and exactly one gets a session."""
    async with (
        running_proxy(urlsplit(store.url).port or 0, STORE_DELAY_SECONDS) as far,
        running_bff(f"redis://{LOCAL}:{far.port}/0", sandbox) as distant,
    ):
        token = await token_of(await shopper(distant.http, fresh("LABEL")))
        answers = await asyncio.gather(*(redeem(distant, token) for _ in range(10)))
    assert sorted(each.status_code for each in answers) == [201] + 9 * [404]


@pytest.mark.parametrize("token", ["", "rph_", NEVER, NEVER.replace("rph", "rps"), NEVER[:-1] + "B"])
async def test_no_such_token(shop: Bff, token: str) -> None:
    """A token that was never given finds nothing, whatever its form."""
    assert told(await redeem(shop, token)) == (404, "handoff-not-found")


async def test_key_alone(shop: Bff) -> None:
    """The half of a token that Redis and logs know can neither redeem the link nor use it up."""
    token = await token_of(await shopper(shop.http, fresh("LABEL")))
    assert told(await redeem(shop, token.partition(".")[0] + NEVER[26:])) == (404, "handoff-not-found")
    assert (await redeem(shop, token)).status_code == 201


async def test_no_session(shop: Bff) -> None:
    """The token of a handoff is no session, and the id of a session is no handoff."""
    someone = await shopper(shop.http, fresh("LABEL"))
    token = await token_of(someone)
    answer = await shop.http.get("/v1/session", headers={"Authorization": f"Bearer {token}"})
    assert told(answer) == (401, "session-expired")
    assert told(await redeem(shop, someone.screen["session_token"])) == (404, "handoff-not-found")


async def test_link(shop: Bff) -> None:
    """The link leads to the shop's page, with the token where no server sees it; the picture is drawn by us."""
    handoff: dict[str, Any] = (await hand_off(await shopper(shop.http, fresh("LABEL")), PAGE)).json()
    assert handoff["link"] == f"{PAGE}#handoff={handoff['token']}"
    assert handoff["qr_code"].startswith("data:image/svg+xml")
    assert "<path" in unquote(handoff["qr_code"])


async def test_no_page(shop: Bff) -> None:
    """An app that makes links of its own gets the token alone."""
    handoff = (await hand_off(await shopper(shop.http, fresh("LABEL")))).json()
    assert (handoff["link"], handoff["qr_code"]) == (None, None)


@pytest.mark.parametrize(
    "page",
    [
        "https://elsewhere.example/",
        f"{SHOP}.elsewhere.example/",
        f"{SHOP}@elsewhere.example/",
        f"{SHOP}:8443/",
        SHOP.replace("https", "http"),
        "https://127.0.0.1/",
    ],
)
async def test_other_pages(shop: Bff, page: str) -> None:
    """A link to a page of another origin is not made."""
    refused = await hand_off(await shopper(shop.http, fresh("LABEL")), page)
    assert told(refused) == (422, "invalid-request")
    assert refused.json()["errors"][0]["pointer"] == "#/page"


@pytest.mark.parametrize("page", ["javascript:alert(1)", f"{SHOP}/#step", f"{SHOP}/a b", "//shop.example", "/returns"])
async def test_no_pages(shop: Bff, page: str) -> None:
    """A page that is not a plain web address without a fragment is refused."""
    assert told(await hand_off(await shopper(shop.http, fresh("LABEL")), page)) == (422, "invalid-request")


async def test_own_page(shop: Bff) -> None:
    """A page of the origin that the service itself has needs no listing: the browser says that it is one."""
    someone = await shopper(shop.http, fresh("LABEL"))
    headers = {"Origin": "https://own.example", "Sec-Fetch-Site": "same-origin"}
    assert (await hand_off(someone, "https://own.example/returns", **headers)).status_code == 201


async def test_other_sites(shop: Bff) -> None:
    """A page of another site can neither make a link with the shopper's cookie nor set a session of its own by one."""
    someone = await shopper(shop.http, fresh("LABEL"), delivery="cookie")
    elsewhere = {"Origin": ELSEWHERE, "Sec-Fetch-Site": "cross-site"}
    assert told(await hand_off(someone, **elsewhere)) == (403, "origin-not-allowed")
    assert told(await redeem(shop, await token_of(someone), "cookie", **elsewhere)) == (403, "origin-not-allowed")


async def test_few(shop: Bff) -> None:
    """Ten links are made for a parcel within fifteen minutes; then its sessions are told when to ask again."""
    someone = await shopper(shop.http, fresh("LABEL"))
    assert [(await hand_off(someone)).status_code for _ in range(10)] == 10 * [201]
    refused = await hand_off(someone)
    assert told(refused) == (429, "too-many-handoffs")
    assert 800 < int(refused.headers["Retry-After"]) <= 938


async def test_no_chain(shop: Bff) -> None:
    """Sessions that began with a link share the limit of the first one, so that one lookup cannot fill the store."""
    someone = await shopper(shop.http, fresh("LABEL"))
    made: list[str] = []
    while (link := await hand_off(someone)).status_code == 201 and len(made) < 15:
        screen = (await redeem(shop, link.json()["token"])).json()
        made.append(screen["session_token"])
        someone = Shopper(shop.http, screen, {"Authorization": f"Bearer {made[-1]}"})
    assert (len(made), told(link)) == (10, (429, "too-many-handoffs"))


async def test_over(shop: Bff) -> None:
    """A session that is over cannot hand off."""
    someone = await shopper(shop.http, fresh("LABEL"))
    await shop.http.delete("/v1/session", headers=someone.headers)
    assert told(await hand_off(someone)) == (401, "session-expired")


async def test_at_rest(shop: Bff, store: Valkey) -> None:
    """Redis keeps the copy for at most 15 minutes, sealed, and neither the token nor its secret half."""
    token = await token_of(await shopper(shop.http, fresh("LABEL")))
    key, _, secret = token.removeprefix("rph_").partition(".")
    name = f"h:{{{key}}}"
    kept: Any = await store.client.get(name)
    assert 0 < await store.client.ttl(name) <= 900
    for told_to_the_holder in (secret.encode(), base64.urlsafe_b64decode(secret + "="), json.dumps("5611 AA").encode()):
        assert told_to_the_holder not in kept
