"""A real service with a policy in its file of shops: first screen, preview and creation say the same."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.processes import Bff, Valkey, eventually, fresh, running_bff
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import Shopper, key, look_up, shopper
from tests.support.shops import reloaded

DEMO = '[shops.demo]\ncurrency = "EUR"\n'
SHIRT, CHANGED_MIND = "1234", 11
EXCLUDED, REFUSED = ("#/items/0/id", "excluded-by-policy"), ("#/items/0/reason", "unknown-reason")
POLICIES = {
    f'excluded_products = ["{SHIRT}"]': EXCLUDED,
    'excluded_names = ["blue shirt M"]': EXCLUDED,
    f"refused_reasons = [{CHANGED_MIND}]": REFUSED,
    "accepted_reasons = [22, 21]": REFUSED,
}
"""What a policy says, and where and how it refuses the return of a shirt because of a changed mind."""
SetPolicy = Callable[[str], Awaitable[None]]


@pytest.fixture(scope="module", name="file")
def shops_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of this module's service."""
    path = tmp_path_factory.mktemp("shops") / "shops.toml"
    path.write_text(DEMO)
    return path


@pytest_asyncio.fixture(scope="module", name="service")
async def a_service(valkey: Valkey, sandbox: SandboxProcess, file: Path) -> AsyncIterator[Bff]:
    """A service that has one shop."""
    async with running_bff(valkey.url, sandbox, brands="", shops=file, poll_interval=0.1, covered=True) as bff:
        yield bff


@pytest_asyncio.fixture(name="set_policy")
async def a_way_to_set_the_policy(service: Bff, file: Path) -> SetPolicy:
    """Gives the running service's shop a policy; none to begin with."""

    async def set_policy(policy: str) -> None:
        await reloaded(service, file, f"{DEMO}[shops.demo.policy]\n{policy}")

    await set_policy("")
    return set_policy


async def previewed(someone: Shopper, body: dict[str, Any]) -> list[tuple[str, str]]:
    """Pointer and code of what the preview finds wrong."""
    said = await someone.http.post("/v1/returns/preview", json=body, headers=someone.headers)
    return faults(said.json()["problems"])


def faults(problems: list[dict[str, str]]) -> list[tuple[str, str]]:
    """Pointer and code of each."""
    return [(each["pointer"], each["code"]) for each in problems]


def shirt_back(someone: Shopper) -> dict[str, Any]:
    """A return of one shirt because of a changed mind."""
    return someone.body(items=[{"id": SHIRT, "quantity": 1, "reason": CHANGED_MIND}])


@pytest.mark.parametrize(("policy", "fault"), POLICIES.items())
async def test_three_places_agree(
    service: Bff, sandbox: SandboxProcess, set_policy: SetPolicy, policy: str, fault: tuple[str, str]
) -> None:
    """What the first screen does not offer, preview and creation refuse alike; nothing goes upstream, no key is used.

    The session began before the policy did, and the key works once the policy is gone.
    """
    someone = await shopper(service.http, order := fresh("ITEMS"))
    body, same = shirt_back(someone), key()
    assert await previewed(someone, body) == []
    await set_policy(policy)
    for screen in ((await someone.get("/v1/session")).json(), (await look_up(service.http, order)).json()):
        shirt = next(item for item in screen["items"] if item["id"] == SHIRT)
        offered = {reason["id"] for reason in screen["options"]["reasons"]}
        assert (shirt["why_not"] == "excluded-by-policy", CHANGED_MIND not in offered) == (
            fault is EXCLUDED,
            fault is REFUSED,
        )
        assert {shirt["returnable"], shirt["remaining"] > 0, not shirt["why_not_text"]} == {fault is REFUSED}
    assert await previewed(someone, body) == [fault]
    refused = await someone.create(body, same)
    assert (refused.status_code, faults(refused.json()["errors"])) == (422, [fault])
    assert await sandbox.ledger(kind="incoming", order=order) == []
    await set_policy("")
    assert (await someone.create(body, same)).status_code == 202
    [made] = await sandbox.ledger(kind="incoming", order=order)
    assert made["created"]


@pytest.mark.parametrize("policy", POLICIES)
async def test_a_made_return_is_answered_as_before(
    service: Bff, sandbox: SandboxProcess, set_policy: SetPolicy, policy: str
) -> None:
    """The repetition of a creation that came before the policy gets the first answer, and makes nothing again."""
    someone = await shopper(service.http, order := fresh("ITEMS"))
    body, same = shirt_back(someone), key()
    first = await someone.create(body, same)
    await set_policy(policy)
    again = await someone.create(body, same)
    assert (again.status_code, again.json(), again.headers["location"]) == (
        202,
        first.json(),
        first.headers["location"],
    )
    assert len(await sandbox.ledger(kind="incoming", order=order)) == 1


async def test_other_items_and_reasons_come_back(service: Bff, set_policy: SetPolicy) -> None:
    """Whatever a policy does not name comes back under it, and the return says what it costs in the shop's currency."""
    await set_policy(f'refused_reasons = [{CHANGED_MIND}]\nexcluded_products = ["{SHIRT}"]')
    someone = await shopper(service.http, fresh("ITEMS"))
    assert await previewed(someone, someone.body()) == []
    made = await someone.create()
    assert (made.status_code, made.json()["fee"]) == (202, {"amount": "2.95", "currency": "EUR"})


async def test_an_order_of_nothing_else_says_so_at_once(service: Bff, set_policy: SetPolicy) -> None:
    """Where a policy excludes every item of an order, its first screen says that nothing can be returned."""
    await set_policy(f'excluded_products = ["{SHIRT}"]')
    screen = (await look_up(service.http, fresh("LABEL"))).json()
    creation = next(action for action in screen["actions"] if action["name"] == "create_return")
    assert (creation["allowed"], creation["why_not"]) == (False, "nothing-returnable")


async def test_a_policy_leaves_a_reason(service: Bff, set_policy: SetPolicy) -> None:
    """A policy that accepts no reason of the shop is told in the log, and changes no reasons; one is still needed."""
    service.process.expected.append("no accepted reason is offered")
    await set_policy("accepted_reasons = [99]")
    someone = await shopper(service.http, fresh("ITEMS"))
    assert CHANGED_MIND in {reason["id"] for reason in someone.screen["options"]["reasons"]}
    body = someone.body(items=[{"id": SHIRT, "quantity": 1}])
    assert await previewed(someone, body) == [("#/items/0", "missing")]

    async def is_told() -> bool:
        return "no accepted reason is offered" in service.process.output.read_text()

    await eventually(is_told, 20)


async def test_the_portal_offers_what_counts(service: Bff, set_policy: SetPolicy) -> None:
    """The shop's public settings name only the reasons that its policy accepts."""
    await set_policy("accepted_reasons = [21, 22]")
    portal = await service.http.get("/v1/brands/demo/portal")
    assert [reason["id"] for reason in portal.json()["reasons"]] == [22, 21]
