"""The preview says everything that is wrong at once, creates nothing, and agrees with what creation then does."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.processes import Bff, fresh
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import Shopper, shopper

LOCAL = {"invalid-request", "units-claimed", "service-point-unavailable", "not-returnable-online"}


async def preview(someone: Shopper, body: dict[str, Any]) -> dict[str, Any]:
    """What the preview says."""
    response = await someone.http.post("/v1/returns/preview", json=body, headers=someone.headers)
    assert response.status_code == 200, response.text
    said: dict[str, Any] = response.json()
    return said


async def test_a_good_body_is_valid_and_creates_nothing(bff: Bff, sandbox: SandboxProcess) -> None:
    """A body without problems is valid, with the fee, and no unsafe call reaches the upstream."""
    order = fresh("LABEL")
    someone = await shopper(bff.http, order, brand="mode-paris")
    body = someone.body("in_store")
    said = await preview(someone, body)
    assert said == {"valid": True, "problems": [], "fee": {"amount": "4.95", "currency": None}, "missing": []}
    assert await sandbox.ledger(kind="incoming", order=order) == []


async def test_all_problems_come_at_once(bff: Bff) -> None:
    """Missing members are named by pointer, and every other problem stands beside them."""
    someone = await shopper(bff.http, fresh("ITEMS"))
    item = {"id": someone.screen["items"][0]["id"], "quantity": 99}
    said = await preview(
        someone, {"items": [item], "refund": {"type": "exchange"}, "delivery": {"option": "drop_off_point"}}
    )
    assert not said["valid"]
    assert set(said["missing"]) == {"#/items/0/reason", "#/refund/message", "#/delivery/service_point"}
    assert "too-many" in {problem["code"] for problem in said["problems"]}


async def test_units_of_other_returns_are_a_problem(bff: Bff) -> None:
    """Units that another return holds are named before the shopper tries."""
    someone = await shopper(bff.http, fresh("LABEL"))
    await someone.create()
    said = await preview(someone, someone.body())
    assert [problem["code"] for problem in said["problems"]] == ["units-claimed"]


async def test_customs_are_hinted_at(bff: Bff) -> None:
    """A return from outside the customs territory of the shop is told that customs data will be asked for."""
    someone = await shopper(bff.http, fresh("INTL"))
    said = await preview(someone, someone.body("pickup"))
    assert said["missing"] == ["#/customs"]


def bodies(screen: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Bodies near the border between right and wrong for this session."""
    reasons = [reason["id"] for reason in screen["options"]["reasons"]]
    item = st.fixed_dictionaries(
        {"id": st.sampled_from([each["id"] for each in screen["items"]] + ["x"]), "quantity": st.integers(1, 3)},
        optional={"reason": st.sampled_from([*reasons[:2], 9999])},
    )
    delivery = st.fixed_dictionaries(
        {"option": st.sampled_from(["drop_off_point", "drop_off_labelless", "in_store", "pickup"])},
        optional={
            "service_point": st.sampled_from([20000001, 99]),
            "store": st.sampled_from([7, 99]),
            "carrier": st.sampled_from(["postnl", "nobody"]),
        },
    )
    return st.fixed_dictionaries(
        {
            "items": st.lists(item, min_size=1, max_size=2),
            "refund": st.fixed_dictionaries({"type": st.sampled_from(["money", "exchange", "gold"])}),
            "delivery": delivery,
            "parcels": st.sampled_from([1, 3, 4]),
        },
        optional={"reason": st.sampled_from(reasons[:1])},
    )


def _holds(pointer: str, body: Any) -> bool:
    for part in pointer.removeprefix("#").split("/")[1:]:
        if part not in body and not (isinstance(body, list) and int(part) < len(body)):
            return False
        body = body[int(part)] if isinstance(body, list) else body[part]
    return True


async def test_preview_and_creation_agree(bff: Bff) -> None:
    """The preview accepts exactly the bodies that creation does not refuse itself, and its pointers fit the body."""
    drawn: list[dict[str, Any]] = []

    @settings(max_examples=80)
    @given(bodies((await shopper(bff.http, fresh("ITEMS"))).screen))
    def draw(body: dict[str, Any]) -> None:
        drawn.append(body)

    draw()
    for body in drawn:
        someone = await shopper(bff.http, fresh("ITEMS"))
        said = await preview(someone, body)
        created = await someone.create(body)
        refused = created.status_code >= 400 and created.json()["code"] in LOCAL
        assert said["valid"] != refused, (body, said, created.text)
        assert all(_holds(problem["pointer"], body) for problem in said["problems"])
