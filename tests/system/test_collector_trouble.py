"""A collector of spans that does not take them."""

import signal
import time

import httpx
import pytest

from app.telemetry.traces import FLUSH_SECONDS
from tests.support.collector import AT_ONCE, running_collector
from tests.support.processes import Valkey, free_port, fresh, running_bff
from tests.support.raw_server import Behaviour, answer, silence
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import shopper

pytestmark = pytest.mark.system


@pytest.mark.parametrize("behaviour", [silence, answer(503), None], ids=["hangs", "busy", "refuses"])
async def test_a_collector_in_trouble(valkey: Valkey, sandbox: SandboxProcess, behaviour: Behaviour | None) -> None:
    """Without a collector requests are answered, the process ends in time, and nothing of it is logged but names."""
    async with running_collector(behaviour) as collector:
        url = collector.url if behaviour else f"http://127.0.0.1:{free_port()}/v1/traces"
        async with running_bff(valkey.url, sandbox, traces_url=url, environment=AT_ONCE) as bff:
            someone = await shopper(bff.http, fresh("LABEL"))
            assert (await someone.get("/v1/session")).status_code == httpx.codes.OK
            began = time.monotonic()
            await bff.process.stop(signal.SIGTERM)
            assert time.monotonic() - began < FLUSH_SECONDS + 3
            # Its first line shows the settings, the address of the collector among them.
            _, told = bff.process.output.read_text().split("\n", 1)
    assert ('"logger": "opentelemetry.exporter' in told) == (behaviour is not silence)
    assert not [word for word in ("v1/traces", "Connection", "refused", "Traceback") if word in told]
