"""P7: what idle waiters cost, and how soon thousands are told."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import httpx
from redis.asyncio import Redis

from bench.beside import servers
from bench.beside.crowd import Crowd
from bench.beside.results import Goal, Result, Spread, at_most
from bench.beside.servers import Server, Surroundings
from bench.beside.stage import Stage
from tests.support.processes import LOCAL, fresh
from tests.support.sandbox import customer_of
from tests.support.shopper import shopper

SIZES = (1_000, 5_000)
WARM_UP = 10
TOLD_WITHIN_SECONDS = 30.0
LONG_POLL = {"Prefer": "wait=55"}


class Waited(NamedTuple):
    """KB for each waiter of a crowd, by its size; seconds until the last one was told; how many never were."""

    each: Sequence[float]
    last: float
    errors: int


async def waiters(stage: Stage, _rounds: int) -> list[Result]:
    """P7: memory of an idle waiter, and when the last of 5,000 knows, each way on a process of its own."""
    polling, streaming = [await _ours(stage.around, way) for way in ("", "/events")]
    theirs = await _peers(stage.around)
    return [*_results("long poll", polling, None), *_results("SSE", streaming, theirs)]


async def _ours(around: Surroundings, way: str) -> Waited:
    order = fresh("PAID")
    async with servers.ours_on_sandbox(around) as server:
        async with httpx.AsyncClient(base_url=f"http://{LOCAL}:{server.port}", trust_env=False, timeout=60) as http:
            someone = await shopper(http, order)
            path = (await someone.create()).headers["location"]
        crowd = Crowd(server, path + way, someone.headers | ({} if way else LONG_POLL))
        return await _waited(around, crowd, order)


async def _peers(around: Surroundings) -> Waited:
    """The same streams from FastAPI + httpx, which polls a label once for all who wait there."""
    order = fresh("PAID")
    async with (
        httpx.AsyncClient(base_url=around.sandbox.panel_url, trust_env=False) as panel,
        Redis.from_url(around.peers_url) as peers,
        _on_sandbox(around) as server,
    ):
        customer = await customer_of(panel, order)
        url = (await customer.create()).raise_for_status().json()["poller_url"]
        record = {"state": "label_pending", "poller_token": parse_qs(urlsplit(url).query)["token"][0]}
        session = {"brand": "demo", "parcel": order, "outgoing": customer.lookup}
        await peers.set(f"session:{order}", json.dumps(session))
        await peers.set(f"return:{order}:1", json.dumps(record))
        return await _waited(around, Crowd(server, "/v1/returns/1/events", {"Authorization": f"Bearer {order}"}), order)


def _on_sandbox(around: Surroundings) -> AbstractAsyncContextManager[Server]:
    return servers.fastapi(replace(around, stub=around.sandbox.panel_url.removesuffix("/api/v2")))


async def _waited(around: Surroundings, crowd: Crowd, order: str) -> Waited:
    idle, *held = [await crowd.grown_to(WARM_UP + size) for size in (0, *SIZES)]
    await around.sandbox.pay(order)
    async with asyncio.timeout(TOLD_WITHIN_SECONDS):
        told = await asyncio.gather(*(waiter.told for waiter in crowd.waiters), return_exceptions=True)
    polls = await around.sandbox.ledger(kind="polling", order=order)
    moments = [moment for moment in told if isinstance(moment, float)]
    each = [(kilobytes - idle) / size for kilobytes, size in zip(held, SIZES, strict=True)]
    return Waited(each, max(moments, default=float("inf")) - polls[-1]["at"], len(told) - len(moments))


def _results(way: str, ours: Waited, theirs: Waited | None) -> list[Result]:
    errors = (ours.errors, theirs.errors if theirs else 0)
    rows = [
        _result(
            f"an idle waiter ({way}), {size:,} of them", "KB", 22, ours.each[number], theirs and theirs.each[number]
        )
        for number, size in enumerate(SIZES)
    ]
    last = _result(f"last of {SIZES[-1]:,} told ({way})", "s", 0.5, ours.last, theirs and theirs.last)
    no_error = Goal("no error", not ours.errors)
    return [*rows, replace(last, goals=[*last.goals, no_error], errors=errors[0], peer_errors=errors[1])]


def _result(what: str, unit: str, limit: float, ours: float, theirs: float | None) -> Result:
    digits = 1 if unit == "KB" else 2
    peer = "" if theirs is None else f"FastAPI + httpx {theirs:.{digits}f} {unit}"
    ratio = None if theirs is None else Spread.of_savings([ours], [theirs])
    return Result("P7", what, f"{ours:.{digits}f} {unit}", peer, [at_most(ours, limit, unit)], ratio)
