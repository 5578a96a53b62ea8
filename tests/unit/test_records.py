"""Returns that releases before this one stored."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.models.shop import Money
from app.returns.store.records import SCHEMA, ReturnRecord, VersionedReturn
from app.returns.view import public
from app.sendcloud.earlier_records import service_point_of_schema_1 as clean
from tests.support.samples import return_record, service_point

SAMPLE = Path("tests/samples/return_of_schema_1.json").read_bytes()


def test_a_return_of_the_release_before() -> None:
    """A return that the release before stored is read, and the texts of its drop-off point are cleaned."""
    record = ReturnRecord.loaded(SAMPLE, clean)
    assert (record.state, record.poller_token, record.next_poll_at) == ("label_pending", "poll", 3.5)
    assert record.drop_off
    assert (record.drop_off.name, record.drop_off.kind) == ("Boekhandel <b>De Linde</b>", None)
    assert record.drop_off.opening_times == {"0": ("10:00 - 18:00",)}


def test_a_return_that_the_release_before_wrote_back() -> None:
    """The release before drops the schema number when it writes; nothing else of the return is lost by that."""
    record = return_record(schema_number=SCHEMA, drop_off=service_point())
    written_back = {name: value for name, value in json.loads(record.dumped()).items() if name != "schema_number"}
    assert ReturnRecord.loaded(json.dumps(written_back).encode(), clean) == record.model_copy(
        update={"schema_number": 1}
    )


def test_a_drop_off_point_keeps_the_names_that_the_release_before_reads() -> None:
    """The release before finds hours and kind of a drop-off point under the upstream's names."""
    stored = json.loads(return_record(drop_off=service_point(general_shop_type="locker")).dumped())["drop_off"]
    assert stored["formatted_opening_times"] == {"0": ["10:00 - 18:00"]}
    assert stored["general_shop_type"] == "locker"


@pytest.mark.parametrize(("days", "known"), [(0, True), (6, True), (7, False)])
def test_a_drop_off_point_has_hours_in_its_week_alone(days: int, known: bool) -> None:  # noqa: FBT001  a column of the table
    """The point in a return shows the hours of the week in which the return was made, and none in another one."""
    monday = datetime(2026, 7, 6, 10, tzinfo=UTC).timestamp()
    record = return_record(drop_off=service_point(), created_at=monday)
    shown = public(VersionedReturn(record, 1, monday + days * 86_400)).drop_off
    assert shown is not None
    assert bool(shown.opening_hours) is known


def test_a_return_of_the_release_before_has_no_prices() -> None:
    """A member that the release before did not store is null, and the rest of the return is shown."""
    shown = public(VersionedReturn(ReturnRecord.loaded(SAMPLE, clean), 1, 3.0))
    assert (shown.items[0].name, shown.items[0].unit_price) == ("Blue shirt M", None)
    assert (shown.store, shown.refund_type, shown.fee) == (None, None, None)


def test_a_return_of_which_only_the_summary_is_left_has_no_prices() -> None:
    """Store, refund and fee go with the rest of the content."""
    fee = Money(amount="4.95", currency="EUR")
    record = return_record(refund_type="money", fee=fee)
    assert (record.refund_type, record.fee) == ("money", fee)
    assert (record.summary().refund_type, record.summary().fee, record.summary().store) == (None, None, None)
