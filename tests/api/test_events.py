"""Events through the service: from a shopper's return to the shop's endpoint, and what became of those it refused."""

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.processes import Bff, Valkey, eventually, fresh, running_bff
from tests.support.receiver import Post, Receiver, running_receiver, shops_entry
from tests.support.sandbox import SandboxProcess
from tests.support.shop_system import KEYS, ShopSystem, write_shops
from tests.support.shopper import shopper, told

ASKING = "guide"
"""A shop whose entry asks for the contact."""
CONTACT = {"name": "Robin Vos-Ypma", "email": "robin.vos@customer.example"}


@pytest_asyncio.fixture(scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    """The endpoint of both shops."""
    async with running_receiver() as running:
        yield running


@pytest.fixture(scope="module")
def shops_file(receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shops that are told of their returns, one of them with the shopper's contact."""
    file = write_shops(tmp_path_factory.mktemp("shops") / "shops.toml")
    told = shops_entry("demo", receiver.url) + shops_entry(ASKING, receiver.url, contact=True)
    file.write_text(file.read_text() + told)
    return file


@pytest_asyncio.fixture(scope="module", name="bff")
async def telling_service(store: Valkey, sandbox: SandboxProcess, shops_file: Path) -> AsyncIterator[Bff]:
    """A service that tells these shops of their returns."""
    settings = {"brands": "", "shops": shops_file, "poll_interval": 0.05, "create_deadline": 2, "create_lease": 4}
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


async def returned(bff: Bff, brand: str) -> str:
    """The id of a return that a shopper with another name and address than the order's made."""
    someone = await shopper(bff.http, fresh("INSTANT"), brand=brand)
    created = await someone.create(someone.body(contact=CONTACT))
    assert created.status_code == 202, created.text
    return str(created.json()["id"])


async def dead(system: ShopSystem, return_id: str) -> list[str]:
    """The types of the events about this return that were given up."""
    answer = await system.http.get(f"/v1/shops/{system.brand}/dead-events", headers=system.headers)
    assert answer.status_code == 200
    return sorted(each["type"] for each in answer.json()["events"] if each["return_id"] == return_id)


async def given_up(bff: Bff, receiver: Receiver, system: ShopSystem) -> str:
    """The id of a return whose two events the endpoint refused for good."""

    async def gone(_: Post) -> int:
        return 410

    async def are_dead() -> bool:
        return await dead(system, return_id) == ["return.created", "return.label_ready"]

    bff.process.expected.append("event given up")
    taken, receiver.answer = receiver.answer, gone
    try:
        return_id = await returned(bff, system.brand)
        await eventually(are_dead, 20)
    finally:
        receiver.answer = taken
    receiver.posts.clear()
    return return_id


async def test_dead_events_are_listed_and_sent_again(bff: Bff, receiver: Receiver) -> None:
    """Events that the endpoint refused for good are listed for its own shop alone; that shop has them sent again."""
    return_id = await given_up(bff, receiver, ShopSystem(bff.http))
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
    assert await dead(ShopSystem(bff.http), return_id) == []


def contacts(receiver: Receiver, return_id: str) -> dict[str, object]:
    """The contact in each event about this return, by its type; `none` where the event has no such member."""
    events = [each.verified() for each in receiver.posts if each.event_id.startswith(return_id)]
    return {each["type"].removeprefix("return."): each["data"].get("contact", "none") for each in events}


def replace(file: Path, entry: str, new: str, bff: Bff) -> None:
    """Replaces an entry of the file of shops, and has the service read it."""
    file.write_text(file.read_text().replace(entry, new))
    bff.process.send(signal.SIGHUP)


async def test_events_have_no_contact_unless_the_shop_asks(bff: Bff, receiver: Receiver, shops_file: Path) -> None:
    """Without the switch a shop is told no contact, and none is kept for the day when it asks."""
    await types(receiver, return_id := await returned(bff, "demo"), 2)
    assert contacts(receiver, return_id) == {"created": "none", "label_ready": "none"}

    async def is_told_contacts() -> bool:
        await types(receiver, later := await returned(bff, "demo"), 2)
        return contacts(receiver, later)["created"] == CONTACT

    silent, asks = shops_entry("demo", receiver.url), shops_entry("demo", receiver.url, contact=True)
    replace(shops_file, silent, asks, bff)
    try:
        await eventually(is_told_contacts, 20)
        assert (await ShopSystem(bff.http).resolve(return_id, "cancelled")).status_code == 200
        await types(receiver, return_id, 3)
        assert contacts(receiver, return_id)["cancelled"] is None
    finally:
        replace(shops_file, asks, silent, bff)


async def test_a_shop_that_asks_is_told_whom_a_return_is_from(bff: Bff, receiver: Receiver, store: Valkey) -> None:
    """Each event has name and e-mail address as they were sent to Sendcloud; the store has them sealed alone."""
    await types(receiver, return_id := await returned(bff, ASKING), 2)
    assert contacts(receiver, return_id) == {"created": CONTACT, "label_ready": CONTACT}
    kept = [await store.client.dump(name) or b"" async for name in store.client.scan_iter()]
    assert any(kept)
    assert not any(value.encode() in each for each in kept for value in CONTACT.values())


async def test_events_that_wait_have_no_contact_after_an_erasure(bff: Bff, receiver: Receiver) -> None:
    """Events that the endpoint had not taken when the shop erased their return come without the contact."""
    system = ShopSystem(bff.http, KEYS[ASKING], ASKING)
    return_id = await given_up(bff, receiver, system)
    assert (await system.erase(return_id)).status_code == 200

    async def have_come() -> bool:
        await bff.http.post(f"/v1/shops/{ASKING}/dead-events/resend", headers=system.headers)
        return len(contacts(receiver, return_id)) == 3

    await eventually(have_come, 20)
    assert contacts(receiver, return_id) == {"created": None, "label_ready": None, "erased": None}
