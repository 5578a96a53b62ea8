"""P3, P4, P5: answers a second on one core."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

import httpx

from bench.beside.load import Asked, Figures, hammered
from bench.beside.results import Goal, Result, Spread, at_least, in_turns
from bench.beside.servers import Server
from bench.beside.stage import Stage, Visitor
from tests.support.processes import LOCAL

IN_FLIGHT = 32
MANY = 256
LATE_MS = 20
ROUND_SECONDS = 3
WARM_UP_SECONDS = 1
SETTLE_SECONDS = 0.2
CHANGES_WITH_TIME = {"open_now", "closes_at", "next_open_at", "expires_at"}

PathOf = Callable[[Visitor], str]


async def proxied(stage: Stage, rounds: int) -> list[Result]:
    """P3: a point with two upstream calls behind it, beside FastAPI + httpx; nginx passes one of them on."""
    found = await _measured(stage, [stage.ours, stage.fastapi, stage.nginx], _point, IN_FLIGHT, rounds)
    ours, theirs, floor = found
    ratio = _ratio(ours, theirs)
    return [
        _result("P3", "service point, 32 in flight, vs FastAPI + httpx", ours, theirs, [at_least(ratio, 12)]),
        _result("P3", "the same vs nginx passing one of the two calls on (the floor)", ours, floor, []),
    ]


async def proxied_beside_node(stage: Stage, rounds: int) -> list[Result]:
    """P4: the same beside Node, with a prompt upstream and with a late one."""
    servers = [stage.ours, stage.node]
    ours, theirs = await _measured(stage, servers, _point, IN_FLIGHT, rounds)
    goals = [at_least(_ratio(ours, theirs), 0.9)]
    prompt = _result("P4", "service point, 32 in flight, vs Node", ours, theirs, goals)
    await stage.upstream_late(LATE_MS)
    ours, theirs = await _measured(stage, servers, _point, MANY, rounds)
    await stage.upstream_late(0)
    goals = [at_least(_ratio(ours, theirs), 0.6), Goal("no error", not _errors(ours))]
    return [
        prompt,
        _result("P4", f"the same, upstream {LATE_MS} ms late, {MANY} in flight, vs Node", ours, theirs, goals),
    ]


async def kept(stage: Stage, rounds: int) -> list[Result]:
    """P5: what needs no upstream, beside Node."""
    calls: dict[str, tuple[PathOf, float]] = {
        "session": (lambda _: "/v1/session", 1),
        "return": (lambda visitor: visitor.return_path, 1),
        "portal settings": (lambda _: "/v1/brands/demo/portal", 0.9),
    }
    results = []
    for what, (path_of, goal) in calls.items():
        ours, theirs = await _measured(stage, [stage.ours, stage.node], path_of, IN_FLIGHT, rounds)
        goals = [at_least(_ratio(ours, theirs), goal)]
        results.append(_result("P5", f"{what}, 32 in flight, vs Node", ours, theirs, goals))
    return results


def _point(visitor: Visitor) -> str:
    return visitor.point_path


async def _measured(
    stage: Stage, servers: Sequence[Server], path_of: PathOf, connections: int, rounds: int
) -> list[list[Figures]]:
    """The figures of each server, round by round; all of them give the same answer."""
    await _agree(stage, servers, path_of)
    calls = [Asked(path_of(visitor), visitor.token) for visitor in stage.visitors]
    for server in servers:
        await hammered(server.port, calls, connections, WARM_UP_SECONDS)
    measures = {server.name: partial(_round, server, calls, connections) for server in servers}
    return list((await in_turns(measures, rounds)).values())


async def _round(server: Server, calls: Sequence[Asked], connections: int) -> Figures:
    # What the round before left under way ends first.
    await asyncio.sleep(SETTLE_SECONDS)
    return await hammered(server.port, calls, connections, ROUND_SECONDS)


async def _agree(stage: Stage, servers: Sequence[Server], path_of: PathOf) -> None:
    """Returns if all peers give our answer; nginx gives the upstream's."""
    visitor = stage.visitors[0]
    headers = {"Authorization": f"Bearer {visitor.token}"}
    answers = {}
    async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=30) as http:
        for server in servers:
            answer = await http.get(f"http://{LOCAL}:{server.port}{path_of(visitor)}")
            answers[server.name] = _timeless(answer.raise_for_status().json())
    for server in servers:
        if server is not stage.nginx and answers[server.name] != answers[stage.ours.name]:
            raise RuntimeError(f"{server.name} answers {answers[server.name]}, we {answers[stage.ours.name]}")


def _timeless(answer: object) -> object:
    """The answer without what may have changed between two questions."""
    if isinstance(answer, dict):
        return {name: _timeless(value) for name, value in answer.items() if name not in CHANGES_WITH_TIME}
    return [_timeless(each) for each in answer] if isinstance(answer, list) else answer


def _ratio(ours: Sequence[Figures], theirs: Sequence[Figures]) -> Spread:
    return Spread.of_ratios([each.rate for each in ours], [each.rate for each in theirs])


def _errors(figures: Sequence[Figures]) -> int:
    return sum(each.errors for each in figures)


def _rate(figures: Sequence[Figures]) -> str:
    return f"{Spread.of([each.rate for each in figures]).median:,.0f}/s"


def _busy(figures: Sequence[Figures]) -> str:
    system, rest = (
        Spread.of(shares).median for shares in ([each.system for each in figures], [each.rest for each in figures])
    )
    return f"{system:.0%} + {rest:.0%}"


def _result(row: str, what: str, ours: Sequence[Figures], theirs: Sequence[Figures], goals: Sequence[Goal]) -> Result:
    return Result(
        row,
        what,
        _rate(ours),
        _rate(theirs),
        goals,
        _ratio(ours, theirs),
        _errors(ours),
        _errors(theirs),
        f"{_busy(ours)} / {_busy(theirs)}",
    )
