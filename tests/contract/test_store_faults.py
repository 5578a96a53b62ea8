"""A server refuses, hangs, restarts, fills up, changes its password, is far away: what calls cost, what they say."""

import asyncio
import secrets
import signal
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from app.documents.store import progress_key
from app.errors import StoreUnavailable
from app.redis.connections.connection import TIMEOUT_SECONDS
from app.redis.connections.discovery import topology
from app.redis.connections.server import CONNECTIONS, IDLE_SECONDS
from app.redis.store import Change, Limit, Store
from app.telemetry.metrics import REGISTRY
from tests.contract.test_store import CALLS, Call
from tests.support.processes import LOCAL, Valkey, eventually
from tests.support.proxy import running_proxy
from tests.support.raw_server import self_signed
from tests.support.topologies import Server

AT_ONCE_SECONDS = 0.3
SOON_SECONDS = 1.0
MARGIN_SECONDS = 1.2
"""What a busy machine may add to any of them; waiting in line for a hanging server would add two seconds."""
BURST = 20 * CONNECTIONS


@pytest_asyncio.fixture(name="server")
async def mortal_server(tmp_path: Path) -> AsyncIterator[Server]:
    """A server to be harmed, which keeps what it was told in a file."""
    options = {"save": "", "appendonly": "yes", "appendfsync": "everysec", "enable-protected-configs": "local"}
    server = Server(tmp_path / "server", options)
    await server.start()
    yield server
    await server.client.aclose()
    await server.stop()


@pytest_asyncio.fixture(name="store")
async def store_on_it(server: Server) -> AsyncIterator[Store]:
    """A store on that server, with a connection that has been used."""
    async with aclosing(Store(topology(url_of(server)))) as store:
        await store.ping()
        yield store


def url_of(server: Server, password: str = "") -> str:
    """Where the server is."""
    return f"redis://:{password}@{LOCAL}:{server.port}/0"


async def refusal(store: Store, call: Call = Store.ping) -> tuple[str, float]:
    """Why a call fails, and after how many seconds."""
    started = time.monotonic()
    with pytest.raises(StoreUnavailable) as caught:
        await call(store)
    assert caught.value.retry_after
    return str(caught.value), time.monotonic() - started


async def answers(store: Store) -> bool:
    """Whether the store answers."""
    with suppress(StoreUnavailable):
        await store.ping()
        return True
    return False


@pytest.mark.parametrize(
    ("trouble", "expected"), [(signal.SIGKILL, "ConnectionError"), (signal.SIGSTOP, "TimeoutError")]
)
async def test_a_burst_fails_at_once(store: Store, server: Server, trouble: signal.Signals, expected: str) -> None:
    """A server that is dead or hangs costs each of many who call at once 300 ms at most, and those after them 5 ms."""
    server.send(trouble)
    for reason, seconds in await asyncio.gather(*(refusal(store) for _ in range(BURST))):
        assert reason == expected
        assert seconds < AT_ONCE_SECONDS + MARGIN_SECONDS
    later = [await refusal(store) for _ in range(20)]
    assert sorted(seconds for _, seconds in later)[10] < 0.005
    assert store.connections_in_use == 0


async def test_calls_are_counted(store: Store, server: Server) -> None:
    """Every call is counted with what became of it, those that the circuit refuses too."""
    before = {outcome: counted(outcome) for outcome in ("answered", "unavailable")}
    await store.ping()
    await store.spend("unknown to this server", 1, Limit(1, 1))
    server.send(signal.SIGKILL)
    for _ in range(3):
        await refusal(store)
    assert counted("unavailable") - before["unavailable"] == 3
    # Of the script the server is asked twice: it does not know it yet.
    assert counted("answered") - before["answered"] == 3


def counted(outcome: str) -> float:
    """How many calls of the store ended so."""
    return REGISTRY.get_sample_value("bff_store_seconds_count", {"outcome": outcome}) or 0


async def test_a_frozen_server_that_wakes(store: Store, server: Server) -> None:
    """Calls are served within a second of the server's return, without a restart of the service."""
    server.send(signal.SIGSTOP)
    await asyncio.gather(*(refusal(store) for _ in range(BURST)))
    server.send(signal.SIGCONT)
    await eventually(lambda: answers(store), SOON_SECONDS)
    await asyncio.gather(*(store.ping() for _ in range(BURST)))


async def test_a_restart_that_nobody_noticed(store: Store, server: Server) -> None:
    """A server that restarts between two calls costs none of them, and remembers what it had acknowledged."""
    await store.put("session", b"sealed", 60)
    await asyncio.gather(*(store.ping() for _ in range(CONNECTIONS)))
    await server.stop(signal.SIGTERM)
    await server.start()
    assert await asyncio.gather(*(store.get("session") for _ in range(BURST))) == [b"sealed"] * BURST


async def test_a_stall_of_our_own(store: Store) -> None:
    """Replies that we are too busy to read are not the server's fault."""
    calls = [asyncio.create_task(store.ping()) for _ in range(CONNECTIONS)]
    await asyncio.sleep(0)
    time.sleep(0.5)  # noqa: ASYNC251  this is the stall
    await asyncio.gather(*calls)


async def test_a_distant_server(server: Server) -> None:
    """100 ms there and back, for the connection, the greeting and a call, is no timeout; the call costs one of them."""
    async with (
        running_proxy(server.port, 0.05) as far,
        aclosing(Store(topology(f"redis://{LOCAL}:{far.port}/1"))) as store,
    ):
        await asyncio.gather(*(store.put(f"key{number}", b"value", 60) for number in range(3 * CONNECTIONS)))
        started = time.monotonic()
        await store.get("key1")
        assert time.monotonic() - started < 0.1 + MARGIN_SECONDS


@pytest.mark.parametrize("call", [CALLS["put"], CALLS["commit"], CALLS["spend"]])
async def test_a_full_server(store: Store, server: Server, call: Call) -> None:
    """A server without room makes nothing seem stored, says so in one word, still reads, and recovers by itself."""
    await store.put("session", b"sealed", 60)
    await server.client.config_set("maxmemory", "1")
    assert (await refusal(store, call))[0] == "OutOfMemoryError"
    assert await store.get("session") == b"sealed"
    await server.client.config_set("maxmemory", "0")
    await call(store)


async def test_a_full_disk(store: Store, server: Server) -> None:
    """A server that cannot write its disk refuses to change anything; that is told apart from all else."""
    await server.client.config_set("dir", "/proc")
    await server.client.config_set("save", "1 1")
    await store.put("session", b"sealed", 60)

    async def refuses() -> bool:
        try:
            await store.put("session", b"sealed", 60)
        except StoreUnavailable as error:
            return str(error) == "MISCONF"
        return False

    await eventually(refuses, 20)
    assert (await refusal(store, CALLS["commit"]))[0] == "MISCONF"
    assert await store.get("session") == b"sealed"


async def test_a_rotated_password(server: Server) -> None:
    """A wrong password is named as the reason; once it is right again, calls are served again."""
    secret = secrets.token_hex(8)
    await server.client.config_set("requirepass", secret)
    async with aclosing(Store(topology(url_of(server, secret)))) as store:
        await store.put("session", b"sealed", 60)
        await server.client.config_set("requirepass", "another")
        await server.client.client_kill_filter(_type="normal", skipme=True)
        assert (await refusal(store))[0] == "AuthenticationError"
        await server.client.config_set("requirepass", secret)
        await eventually(lambda: answers(store), SOON_SECONDS)
        assert await store.get("session") == b"sealed"


async def test_an_open_server_and_a_password(server: Server) -> None:
    """A server that wants a password and gets none is named as such, and nothing of what it says is passed on."""
    await server.client.config_set("requirepass", "secret")
    async with aclosing(Store(topology(f"redis://{LOCAL}:{server.port}/0"))) as store:
        assert (await refusal(store))[0] == "AuthenticationError"


async def test_a_name_that_leads_to_another_server(server: Server, valkey: Valkey) -> None:
    """A server that has become a replica is left for the one that its name leads to, as where a provider fails over."""
    key, master = f"s:{{{secrets.token_urlsafe(9)}}}", urlsplit(valkey.url).port or 0

    async def is_stored() -> bool:
        with suppress(StoreUnavailable):
            await store.put(key, b"x", 60)
        return bool(await valkey.client.exists(key))

    async with (
        running_proxy(server.port) as name,
        aclosing(Store(topology(f"redis://{LOCAL}:{name.port}/0"))) as store,
    ):
        await store.ping()
        name.target = master
        await server.client.replicaof(LOCAL, str(master))
        await eventually(is_stored, 5)


async def test_cancelled_calls_keep_nothing(valkey: Valkey) -> None:
    """Calls cancelled at any moment, even twice, keep no connection and leave no reply to another call."""
    async with aclosing(Store(topology(valkey.url))) as store:
        names = [progress_key(secrets.token_hex(8)) for _ in range(4 * CONNECTIONS)]
        for name in names:
            await store.put(name, name.encode(), 60)
        for number in range(30):
            calls = [asyncio.create_task(store.get(name)) for name in names]
            for _ in range(number):
                await asyncio.sleep(0)
            for call in calls[::2]:
                call.cancel()
                call.cancel()
            read = await asyncio.gather(*calls, return_exceptions=True)
            assert all(each == name.encode() for each, name in zip(read[1::2], names[1::2], strict=True))
        assert store.connections_in_use == 0
        assert await store.commit("a", [Change(names[0] + ":pump:c", 0, b"value", 60)])


async def test_a_server_behind_tls(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over `rediss` values of any size arrive, closed connections are made again, and news are heard."""
    certificate = tmp_path / "certificate.pem"
    async with running_proxy(server.port, tls=self_signed("localhost")[0]) as name:
        found = await asyncio.to_thread(ssl.get_server_certificate, (LOCAL, name.port))
        await asyncio.to_thread(certificate.write_text, found)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        async with aclosing(Store(topology(f"rediss://localhost:{name.port}/0"))) as store:
            for size in (1, 100_000, 1_000_000):
                value = secrets.token_bytes(size)
                await store.put("c:{a}", value, 60, 5.0)
                await server.client.client_kill_filter(_type="normal", skipme=True)
                assert await store.get("c:{a}", 5.0) == value
            news = store.listen()
            assert await anext(news) == ""
            await store.commit("a", [Change("c:{b}", 0, b"x", 60)], "rtn_news")
            assert await anext(news) == "rtn_news"


async def test_the_surplus_of_a_burst_is_closed(store: Store, server: Server) -> None:
    """Connections that nothing needs are closed, before a firewall on the way forgets them and loses what comes."""

    async def one_is_left() -> bool:
        await store.ping()
        return await _connections(server) == 1

    value, seconds = b"x" * 1000, TIMEOUT_SECONDS + 1
    await asyncio.gather(*(store.put(progress_key(str(n)), value, 60, seconds) for n in range(CONNECTIONS)))
    assert await _connections(server) > 2
    await eventually(one_is_left, 2 * IDLE_SECONDS)


async def _connections(server: Server) -> int:
    """How many the server has, without that of the test."""
    return len(await server.client.client_list(_type="normal")) - 1


async def test_listening_survives(store: Store, server: Server) -> None:
    """A listener is told when the server dies, and may listen again once it is back."""
    news = store.listen()
    assert await anext(news) == ""
    assert store.connections_in_use == 1
    await server.stop()
    with pytest.raises(StoreUnavailable):
        await anext(news)
    assert store.connections_in_use == 0
    await server.start()
    await eventually(lambda: answers(store), SOON_SECONDS)
    assert await anext(store.listen()) == ""
