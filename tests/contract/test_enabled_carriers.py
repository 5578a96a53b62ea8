"""The carriers that are enabled for service points: asked for within a search that brings nothing."""

import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from app.domain import ServicePointQuery
from app.sendcloud.client import Sendcloud
from tests.support import calls
from tests.support.raw_server import Behaviour, answer, fin, raw_server, rst, silence
from tests.support.scripted_upstream import ScriptedUpstream, always, scripted_upstream

QUERY = ServicePointQuery(country="NL")
USELESS = [silence, rst, fin(), answer(200, b"<html>"), answer(401), answer(404), answer(429), answer(503)]


@pytest_asyncio.fixture(name="upstream")
async def _upstream() -> AsyncIterator[ScriptedUpstream]:
    """An upstream whose searches bring nothing."""
    async with scripted_upstream() as here:
        yield here


@pytest_asyncio.fixture(name="sendcloud")
async def _sendcloud(upstream: ScriptedUpstream) -> AsyncIterator[Sendcloud]:
    async with calls.client(upstream.port) as here:
        yield here


@pytest.mark.parametrize("behaviour", USELESS)
async def test_a_search_that_brings_nothing_stays_answered(
    upstream: ScriptedUpstream, sendcloud: Sendcloud, behaviour: Behaviour
) -> None:
    """Carriers that cannot be learned leave an empty search what it is, and no longer than the deadline."""
    upstream.do(carriers=always(behaviour))
    start = time.monotonic()
    assert await sendcloud.service_points("my-shop", "points", QUERY) == []
    assert time.monotonic() - start < 3
    assert len(upstream.requests_for("service-points")) == 1


async def test_a_redirect_leads_nowhere(upstream: ScriptedUpstream, sendcloud: Sendcloud) -> None:
    """The place that a redirect names sees no connection, and so no token."""
    async with raw_server(answer(200, b'["postnl"]')) as elsewhere:
        away = f"location: http://127.0.0.1:{elsewhere.port}/\r\n"
        upstream.do(carriers=always(answer(307, headers=away)))
        assert await sendcloud.service_points("my-shop", "points", QUERY) == []
        assert elsewhere.connections == 0


async def test_the_question_is_a_plain_read(upstream: ScriptedUpstream, sendcloud: Sendcloud) -> None:
    """The question arrives once, with the token in its query alone, no other credentials and no body."""
    upstream.say(carriers=["postnl"])
    await sendcloud.service_points("my-shop", "points", QUERY)
    [asked] = upstream.requests_for("carriers")
    assert (asked.method, asked.query, asked.body) == ("GET", {"access_token": ["points"]}, b"")
    assert not {"authorization", "cookie", "proxy-authorization", "content-length"} & asked.headers.keys()
