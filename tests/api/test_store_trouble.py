"""The store dies, comes back empty, or freezes: the service says so at once and believes nothing else."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio

from app.redis.encryption import ANOTHER_KEY_SECONDS
from app.returns.store.attempts import SETTLE_SECONDS
from tests.support.processes import Bff, Valkey, eventually, fresh, running_bff, running_valkey
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import Shopper, look_up, shopper, told

AT_ONCE = 0.3
"""Seconds until the service has to have answered."""
TRIES = 20
"""A busy machine may be late; a service that waits longer for its store is late each time."""
PATIENCE = 5.0
SOON = 1.0 + 1.0
"""Seconds until it has to serve again, likewise."""


@pytest_asyncio.fixture(name="store")
async def mortal_valkey() -> AsyncIterator[Valkey]:
    """A store to be harmed."""
    async with running_valkey() as process:
        yield process


@pytest_asyncio.fixture(name="bff")
async def bff_of_the_mortal(store: Valkey, sandbox: SandboxProcess) -> AsyncIterator[Bff]:
    """A service that depends on it."""
    async with running_bff(store.url, sandbox, covered=True) as process:
        yield process


async def every_answer(someone: Shopper) -> dict[str, tuple[httpx.Response, float]]:
    """What each call that needs the store answers, one after the other, and after how many seconds."""
    http, headers = someone.http, someone.headers
    a_return = "/v1/returns/rtn_" + "A" * 22
    wanted = {"identifier": "LABEL-1", "postal_code": "5611 AA"}
    calls = {
        "readiness": http.get("/readyz"),
        "portal": http.get("/v1/brands/demo/portal"),
        "lookup": http.post("/v1/brands/demo/sessions", json=wanted),
        "resume": http.get("/v1/session", headers=headers),
        "end": http.delete("/v1/session", headers=headers),
        "points": http.get("/v1/service-points", headers=headers),
        "create": http.post("/v1/returns", json=someone.body(), headers=headers | {"Idempotency-Key": "k" * 16}),
        "return": http.get(a_return, headers=headers),
        "label": http.get(f"{a_return}/label", headers=headers),
    }
    return {name: await timed(call) for name, call in calls.items()}


async def timed(call: Awaitable[httpx.Response]) -> tuple[httpx.Response, float]:
    """The answer, and after how many seconds."""
    started = asyncio.get_running_loop().time()
    response = await asyncio.wait_for(call, PATIENCE)
    return response, asyncio.get_running_loop().time() - started


async def slowest_refusal(someone: Shopper) -> float:
    """The seconds that the slowest of all answers took, after each was seen to refuse as it should."""
    answers = await every_answer(someone)
    for name, (response, _) in answers.items():
        assert (name, *told(response)) == (name, 503, "temporarily-unavailable")
        assert int(response.headers["retry-after"]) > 0
        assert "set-cookie" not in response.headers
    # One of them waits for the store, the others know; a probe now and then waits too.
    assert sorted(seconds for _, seconds in answers.values())[len(answers) // 2] < AT_ONCE
    return max(seconds for _, seconds in answers.values())


async def is_ready(bff: Bff) -> bool:
    """Whether the service says that it is ready."""
    return (await bff.http.get("/readyz")).is_success


@pytest.mark.parametrize("trouble", [signal.SIGKILL, signal.SIGSTOP])
async def test_every_call_says_so_at_once(bff: Bff, store: Valkey, trouble: signal.Signals) -> None:
    """With a dead or frozen store every call is 503 with Retry-After within 300 ms, and no cookie is touched."""
    someone = await shopper(bff.http, fresh("LABEL"))
    store.process.send(trouble)
    tries = [await slowest_refusal(someone)]
    while tries[-1] > AT_ONCE and len(tries) < TRIES:
        if trouble == signal.SIGSTOP:
            store.process.send(signal.SIGCONT)
            await eventually(lambda: is_ready(bff), PATIENCE)
            store.process.send(trouble)
        tries.append(await slowest_refusal(someone))
    assert min(tries) < AT_ONCE
    assert (await bff.http.get("/livez")).status_code == 200


async def test_a_store_that_comes_back_empty(bff: Bff, store: Valkey) -> None:
    """After a restart lookups work again at once and lost sessions are told so; creations wait for an operator."""
    someone = await shopper(bff.http, fresh("LABEL"))
    await store.process.stop(signal.SIGKILL)
    assert not await is_ready(bff)
    async with running_valkey(urlsplit(store.url).port):
        await eventually(lambda: is_ready(bff), SOON)
        resumed = await someone.get("/v1/session")
        assert (resumed.status_code, resumed.json()["code"]) == (401, "session-expired")
        created = await (await shopper(bff.http, fresh("LABEL"))).create()
        assert (created.status_code, created.json()["code"]) == (503, "temporarily-unavailable")


async def test_a_store_that_was_frozen(bff: Bff, store: Valkey) -> None:
    """A store that only paused ends no session, whatever calls were made meanwhile."""
    someone = await shopper(bff.http, fresh("LABEL"))
    store.process.send(signal.SIGSTOP)
    assert (await someone.get("/v1/session")).status_code == 503
    store.process.send(signal.SIGCONT)
    await eventually(lambda: is_ready(bff), SOON)
    assert (await someone.get("/v1/session")).status_code == 200


async def test_who_waits_while_the_store_dies(bff: Bff, store: Valkey) -> None:
    """A held request whose time is up while nothing can be known is answered with the same problem as any other."""
    someone = await shopper(bff.http, fresh("PAID"))
    path = (await someone.create()).headers["location"]
    held = asyncio.create_task(someone.get(path, Prefer="wait=2"))

    async def waiting() -> bool:
        return "bff_waiting 2.0" in (await bff.http.get("/metrics")).text

    await eventually(waiting, 2)
    store.process.send(signal.SIGKILL)
    answer = await held
    assert (answer.status_code, answer.json()["code"]) == (503, "temporarily-unavailable")
    assert answer.headers["x-request-id"] == answer.json()["request_id"]


@pytest.mark.parametrize("trouble", [signal.SIGKILL, signal.SIGSTOP])
async def test_lookups_without_the_store_ask_nobody(
    bff: Bff, store: Valkey, sandbox: SandboxProcess, trouble: signal.Signals
) -> None:
    """Lookups that cannot be counted are refused before the upstream is asked, right and wrong ones alike."""
    before = await asked_for(sandbox)
    store.process.send(trouble)
    lookups = [look_up(bff.http, fresh(prefix)) for prefix in ("LABEL", "NONE") for _ in range(10)]
    assert {answer.status_code for answer in await asyncio.gather(*lookups)} == {503}
    assert await asked_for(sandbox) == before


async def asked_for(sandbox: SandboxProcess) -> int:
    """How often the upstream was called, but for polls: those go on for returns of other tests."""
    return len([entry for entry in await sandbox.ledger() if entry["kind"] != "polling"])


async def test_a_return_that_no_key_opens_any_more(bff: Bff, store: Valkey, sandbox: SandboxProcess) -> None:
    """A creation whose record became unreadable is answered at once, and its outcome is not tried without end."""
    someone = await shopper(bff.http, order := fresh("SLOW"))
    creating = asyncio.create_task(someone.create())

    async def is_posted() -> bool:
        return bool(await sandbox.ledger(kind="incoming", order=order))

    await eventually(is_posted, 10)
    [name] = [name async for name in store.client.scan_iter("p:*:r:rtn_*") if not name.endswith(b":lease")]
    await store.client.hset(name, "v", b"sealed by somebody else")
    async with asyncio.timeout(SETTLE_SECONDS):
        answer = await creating
    assert (answer.status_code, answer.json()["code"]) == (503, "temporarily-unavailable")
    assert int(answer.headers["retry-after"]) == ANOTHER_KEY_SECONDS
