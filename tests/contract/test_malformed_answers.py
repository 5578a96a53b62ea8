"""Malformed answers to every upstream call: always an error of ours, and never the upstream's words in it."""

import asyncio
import traceback
from collections.abc import Callable

import pytest

from app.documents.download import MAGIC
from app.errors import (
    BffError,
    NotReturnableNow,
    ReturnOutcomeUnknown,
    UpstreamError,
    UpstreamRejected,
    UpstreamUnavailable,
)
from app.sendcloud.client import Sendcloud
from app.sendcloud.protocol import Call
from tests.support.calls import METHODS, PUBLIC_CALLS, clients, made
from tests.support.malformed import MALFORMED, SECRET
from tests.support.raw_server import raw_server

AT_ONCE = 20
DOCUMENTS = {Call.DOWNLOAD, Call.CUSTOMS}
NO_POINTS = {"list of nonsense"}
"""A list without any sound service point is an empty list."""


async def outcome(call: Call, name: str, fresh: Callable[[int], Sendcloud]) -> object:
    """What a call returns, or the error of ours that it ends with; only reads are made twice."""
    async with raw_server(MALFORMED[name]) as server:
        found: object = None
        # On a busy machine a call may not even be connected in time.
        while not server.requests:
            try:
                found = await made(fresh(server.port), call)
            except BffError as error:
                found = error
        # A search that brings nothing is made once more, by the carriers that another call names.
        assert len(server.requests) <= (4 if call is Call.SERVICE_POINTS else 2 if call in PUBLIC_CALLS else 1), name
    return found


async def outcomes(call: Call) -> dict[str, object]:
    """What clients on the same connections make of each of them."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def in_turn(name: str) -> object:
        async with turns:
            return await outcome(call, name, fresh)

    async with clients() as fresh:
        return dict(zip(MALFORMED, await asyncio.gather(*map(in_turn, MALFORMED)), strict=True))


def shown(error: object) -> str:
    """All that a log could show of it, its causes included."""
    return "".join(traceback.format_exception(error)) if isinstance(error, Exception) else ""


def test_there_are_many() -> None:
    """The table of malformed answers does not shrink unnoticed."""
    assert len(MALFORMED) >= 100


@pytest.mark.parametrize("call", sorted(METHODS - {Call.INCOMING, Call.SERVICE_POINTS} - DOCUMENTS))
async def test_no_malformed_answer_is_taken(call: Call) -> None:
    """Each malformed answer is an error of the upstream, and the error quotes none of it."""
    for name, error in (await outcomes(call)).items():
        # A lookup that is refused may be refused for the shop's reasons.
        assert isinstance(error, UpstreamError | NotReturnableNow), name
        assert SECRET not in shown(error), name


async def test_no_service_point_is_made_up() -> None:
    """A malformed search of service points is an error of the upstream; single malformed points are left out."""
    for name, error in (await outcomes(Call.SERVICE_POINTS)).items():
        assert error == [] if name in NO_POINTS else isinstance(error, UpstreamError), name
        assert SECRET not in shown(error), name


async def test_a_creation_stays_unknown() -> None:
    """A creation that was answered so may have been taken, unless it was plainly refused; it is never sent again."""
    refused = {"busy until swordfish", "busy for ever", "odd code", "wide refusal"}
    for name, error in (await outcomes(Call.INCOMING)).items():
        expected = (UpstreamUnavailable, UpstreamRejected) if name in refused else ReturnOutcomeUnknown
        assert isinstance(error, expected), name
        assert SECRET not in shown(error), name


@pytest.mark.parametrize("call", sorted(DOCUMENTS))
async def test_no_malformed_answer_is_a_document(call: Call) -> None:
    """Bytes are passed on as they come, for the PDF check to refuse; everything else is an error of the upstream."""
    for name, found in (await outcomes(call)).items():
        assert not found.startswith(MAGIC) if isinstance(found, bytes) else isinstance(found, UpstreamError), name
        assert SECRET not in shown(found), name
