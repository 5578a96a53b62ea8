"""The policy of a shop: which items and reasons it keeps from coming back, alike on the first screen and in checks."""

from typing import Any

import pytest

from app.domain import DAY_SECONDS as DAY
from app.domain import Moment, Policy, Reason, ShopSettings
from app.models.fields import utc_datetime
from app.returns.checks.checked_return import CheckedReturn
from app.sessions import view
from tests.support.samples import AT_NOON, NOON, body, order, product, shop_settings

REASON = Reason(id=22, description="Does not fit")


def settings(**policy: Any) -> ShopSettings:
    """Those of a shop with this policy."""
    return shop_settings().model_copy(update={"policy": Policy.model_validate(policy)})


@pytest.mark.parametrize(
    ("policy", "changes", "why_not"),
    [
        ({}, {}, None),
        ({"excluded_products": ["shirt"]}, {}, "excluded-by-policy"),
        ({"excluded_products": [" shirt "]}, {"id": "shirt "}, "excluded-by-policy"),
        ({"excluded_products": ["0012"]}, {"id": 12}, None),
        ({"excluded_products": ["12"]}, {"id": 12}, "excluded-by-policy"),
        ({"excluded_products": ["Shirt"]}, {}, None),
        ({"excluded_products": ["shirt"]}, {"id": ""}, None),
        ({"excluded_products": ["Blue shirt M"]}, {}, None),
        ({"excluded_names": ["Blue shirt M"]}, {"id": ""}, "excluded-by-policy"),
        ({"excluded_names": ["  BLUE   shirt m"]}, {}, "excluded-by-policy"),
        ({"excluded_names": ["Blue shirt"]}, {}, None),
        ({"excluded_names": ["shirt"]}, {"name": ""}, None),
        ({"excluded_products": ["shirt"]}, {"returnable": False}, "not-returnable"),
        ({"excluded_products": ["shirt"]}, {"quantity": None}, "incomplete"),
        ({"excluded_products": ["other"]}, {"returnable": False}, "not-returnable"),
    ],
)
def test_first_screen_and_checks_agree(policy: dict[str, Any], changes: dict[str, Any], why_not: str | None) -> None:
    """An item that the policy names cannot be chosen and is refused; the upstream's own word comes first."""
    data, shop = order(products=[product(**changes)]), settings(**policy)
    [item] = view.items(data, data.left(data.units), shop, AT_NOON)
    assert (item.why_not, item.returnable, item.remaining > 0) == (why_not, why_not is None, why_not is None)
    problems = CheckedReturn(body(items=[{"id": item.id, "quantity": 1}]), data, shop, AT_NOON).problems
    assert bool(problems) == (why_not is not None)
    assert {problem.code for problem in problems} <= {
        "excluded-by-policy" if why_not == "excluded-by-policy" else "not-returnable"
    }


@pytest.mark.parametrize(
    ("window", "delivered_at", "deadline"),
    [
        (14, NOON, NOON + 15 * DAY),
        (1, NOON, NOON + 2 * DAY),
        (366, NOON, NOON + 367 * DAY),
        (14, None, None),
        (None, NOON, None),
    ],
)
def test_a_deadline(window: int | None, delivered_at: float | None, deadline: float | None) -> None:
    """The deadline is a day after the window's last one, in hours; without window or delivery there is none."""
    assert Policy(window=window).deadline(delivered_at) == deadline


@pytest.mark.parametrize("window", [0, -1, 367, 1.5, True, "14"])
def test_a_window_is_whole_days(window: object) -> None:
    """A window of no days, of more than a year, or of something else than days is no policy."""
    with pytest.raises(ValueError, match="window"):
        Policy.model_validate({"window": window})


@pytest.mark.parametrize(("late", "why_not"), [(-0.001, None), (0, None), (0.001, "window-over"), (DAY, "window-over")])
def test_first_screen_and_checks_agree_at_the_deadline(late: float, why_not: str | None) -> None:
    """Up to the deadline itself an item comes back; from then on it is neither offered nor taken."""
    data, shop, moment = order(products=[product()]), settings(window=14), Moment(NOON + 15 * DAY + late, NOON)
    [item] = view.items(data, data.left(data.units), shop, moment)
    assert (item.why_not, item.returnable, item.remaining > 0) == (why_not, why_not is None, why_not is None)
    assert item.deadline == utc_datetime(NOON + 15 * DAY)
    problems = CheckedReturn(body(items=[{"id": item.id, "quantity": 1}]), data, shop, moment).problems
    assert [problem.code for problem in problems] == ([why_not] if why_not else [])


def test_what_never_comes_back_has_no_deadline() -> None:
    """An item that upstream or policy exclude says that, before and after the deadline, and shows no deadline."""
    data, shop = (
        order(products=[product(), product(id="card", returnable=False)]),
        settings(excluded_products=["shirt"], window=1),
    )
    for now in (NOON, NOON + 9 * DAY):
        items = view.items(data, data.left(data.units), shop, Moment(now, NOON))
        assert [(item.why_not, item.deadline) for item in items] == [
            ("excluded-by-policy", None),
            ("not-returnable", None),
        ]


def test_a_policy_is_not_kept() -> None:
    """Settings that all replicas share hold no policy, because builds may know different members of it."""
    assert "policy" not in settings(excluded_products=["shirt"]).model_dump()


def test_a_policy_changes_no_units() -> None:
    """What is claimed and compared is counted as the upstream says, whatever a policy excludes."""
    data = order()
    view.items(data, data.left(data.units), settings(excluded_products=["shirt"]), AT_NOON)
    assert data.units.lines == {"shirt": 2, "card": 0}


@pytest.mark.parametrize(
    ("policy", "accepted"),
    [
        ({}, True),
        ({"refused_reasons": [22]}, False),
        ({"refused_reasons": [11]}, True),
        ({"accepted_reasons": [22]}, True),
        ({"accepted_reasons": [11]}, False),
        ({"accepted_reasons": [11], "refused_reasons": []}, False),
    ],
)
def test_reasons(policy: dict[str, Any], accepted: bool) -> None:  # noqa: FBT001 - a parameter of the table
    """A reason counts unless it is refused or, where some are named as the only ones, is not among them."""
    assert Policy.model_validate(policy).accepts(REASON) == accepted
