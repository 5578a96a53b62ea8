"""Events through the service: from a shopper's return to the shop's endpoint, and what became of those it refused."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.processes import Bff, Valkey, eventually, fresh, running_bff
from tests.support.receiver import Post, Receiver, running_receiver, shops_entry
from tests.support.sandbox import SandboxProcess
from tests.support.shop_system import KEYS, ShopSystem, write_shops
from tests.support.shopper import shopper, told


@pytest_asyncio.fixture(scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    """The endpoint of the shop `demo`."""
    async with running_receiver() as running:
        yield running


@pytest_asyncio.fixture(scope="module", name="bff")
async def telling_service(
    store: Valkey, sandbox: SandboxProcess, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Bff]:
    """A service that tells the shop `demo` of its returns."""
    file = write_shops(tmp_path_factory.mktemp("shops") / "shops.toml")
    file.write_text(file.read_text() + shops_entry("demo", receiver.url))
    settings = {"brands": "", "shops": file, "poll_interval": 0.05, "create_deadline": 2, "create_lease": 4}
    async with running_bff(store.url, sandbox, covered=True, **settings) as process:
        yield process


@pytest_asyncio.fixture(autouse=True)
async def forgotten(store: Valkey) -> None:
    """The tests before lost no creation."""
    await store.forget_lost_creations()


async def made(bff: Bff, prefix: str) -> str:
    """The id of a return that a shopper made."""
    someone = await shopper(bff.http, fresh(prefix))
    return (await someone.create()).headers["location"].rpartition("/")[2]


async def types(receiver: Receiver, return_id: str, count: int) -> list[str]:
    """The types of the first events about this return, by revision."""

    def events() -> list[dict[str, object]]:
        verified = [each.verified() for each in receiver.posts if each.event_id.startswith(return_id)]
        return sorted(verified, key=lambda each: each["data"]["revision"])

    async def have_come() -> bool:
        return len(events()) >= count

    await eventually(have_come, 20)
    return [str(each["type"]).removeprefix("return.") for each in events()]


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [("INSTANT", ["created", "label_ready"]), ("CREATE500", ["outcome_unknown"])],
)
async def test_a_shop_is_told(bff: Bff, receiver: Receiver, prefix: str, expected: list[str]) -> None:
    """A return that is made and gets its label makes two events; one whose answer is lost makes another."""
    assert await types(receiver, await made(bff, prefix), len(expected)) == expected


async def test_a_finding_is_told(bff: Bff, receiver: Receiver) -> None:
    """A return that the shop settles makes an event of its own."""
    return_id = await made(bff, "CREATE500")
    assert (await ShopSystem(bff.http).resolve(return_id, "accepted")).status_code == 200
    assert await types(receiver, return_id, 2) == ["outcome_unknown", "settled"]


async def test_dead_events_are_listed_and_sent_again(bff: Bff, receiver: Receiver) -> None:
    """Events that the endpoint refused for good are listed for its own shop alone; that shop has them sent again."""

    async def gone(_: Post) -> int:
        return 410

    async def dead() -> list[dict[str, str]]:
        answer = await bff.http.get("/v1/shops/demo/dead-events", headers=ShopSystem(bff.http).headers)
        assert answer.status_code == 200
        return [each for each in answer.json()["events"] if each["return_id"] == return_id]

    async def are_dead() -> bool:
        return len(await dead()) == 2

    bff.process.expected.append("event given up")
    taken, receiver.answer = receiver.answer, gone
    try:
        return_id = await made(bff, "INSTANT")
        await eventually(are_dead, 20)
    finally:
        receiver.answer = taken
    assert {each["type"] for each in await dead()} == {"return.created", "return.label_ready"}
    others = ShopSystem(bff.http, KEYS["guide"]).headers
    for method, path in (("GET", "dead-events"), ("POST", "dead-events/resend")):
        assert told(await bff.http.request(method, f"/v1/shops/demo/{path}", headers=others)) == (
            403,
            "partner-key-unknown",
        )
    receiver.posts.clear()
    answer = await bff.http.post("/v1/shops/demo/dead-events/resend", headers=ShopSystem(bff.http).headers)
    assert answer.json()["count"] >= 2
    assert await types(receiver, return_id, 2) == ["created", "label_ready"]
    assert await dead() == []
