"""The page of the sandbox that shows what a shop is told."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from app.events.endpoint import signed
from app.sandbox.inbox import PATH
from tests.support.processes import Bff, Valkey, eventually, free_port, fresh, running_bff
from tests.support.receiver import SECRETS, shops_entry
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import shopper


@pytest_asyncio.fixture(scope="module", name="bff")
async def sandbox_shop(
    valkey: Valkey, sandbox: SandboxProcess, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Bff]:
    """The service with the pages of the sandbox, and a shop that is told of its returns at one of them."""
    port, file = free_port(), tmp_path_factory.mktemp("inbox") / "shops.toml"
    file.write_text(shops_entry("guide", f"http://127.0.0.1:{port}{PATH}"))
    settings = {"shops": file, "port": port, "poll_interval": 0.1}
    async with running_bff(valkey.url, sandbox, module="app.sandbox.shop", **settings) as process:
        yield process


async def test_a_start_warns_of_nothing(store: Valkey, sandbox: SandboxProcess) -> None:
    """On a new store the service of `make run` prints nothing, and marks the store all the same."""
    async with running_bff(store.url, sandbox, module="app.sandbox.shop") as process:
        assert (await process.http.get("/readyz")).status_code == 200
        assert await store.client.keys("m:*")
        assert process.process.output.read_text() == ""


async def test_the_events_of_a_return_are_shown(bff: Bff) -> None:
    """What happens to a return that a shopper makes is on the page of events."""
    someone = await shopper(bff.http, fresh("INSTANT"), brand="guide")
    return_id = (await someone.create()).headers["location"].rpartition("/")[2]

    async def both_are_shown() -> bool:
        rows = [row for row in (await bff.http.get(PATH)).text.split("<tr>") if return_id in row]
        return sorted(row.split("<td>return.")[1].split("<")[0] for row in rows) == ["created", "label_ready"]

    await eventually(both_are_shown, 20)


async def test_a_forged_event_is_not_shown(bff: Bff) -> None:
    """A post that the shop's secret did not sign is refused, and a text in an event is no markup."""
    data = '"data":{"brand":"guide","return_id":"<b>","state":"x"}'
    body = f'{{"type":"return.created","timestamp":"2026-11-29T08:00:00.000Z",{data}}}'
    headers = signed(SECRETS[:1], "rtn_forged:1:created", datetime.now(UTC), body)
    forged = await bff.http.post(PATH, content=body + " ", headers=headers)
    assert forged.status_code == 400
    assert (await bff.http.post(PATH, content=body, headers=headers)).status_code == 204
    page = await bff.http.get(PATH)
    assert "&lt;b&gt;" in page.text
    assert "<b>" not in page.text
