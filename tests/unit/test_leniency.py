"""Only needed members can fail an answer: it survives any fault of another member."""

import copy
import json
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.errors import BadUpstream
from app.sendcloud import translation
from app.telemetry.metrics import REGISTRY
from tests.support import samples

MUTATIONS = int(os.environ.get("FUZZ_MUTATIONS", "2000"))
"""How many are tried in all. They are the same in every run; more of them with `FUZZ_MUTATIONS` in the environment."""
PANEL = "https://panel.example/api/v2"
LABEL = f"{PANEL}/brand/my-shop/return-portal/label"
ABSENT = object()
ODD: Sequence[object] = (
    *(None, ABSENT, "", True, False, 0, -1, 7, 1.5, 1e308, 10**30, 10**500, -(10**30), "x", "null", "NaN", "29,95"),
    *("x" * 100_000, "\u202e\x00", "\ud800", [], {}, [None], [[]], [7], {"a": {"b": [{}]}}, [{"id": None}]),
    *(["x"] * 3000, {"id": {"id": {"id": 1}}}),
)
Path = tuple[str | int, ...]


def shop() -> dict[str, Any]:
    """Settings with every member that is read."""
    logo = {"screen_logo": {"url": "https://shop.example/logo.png"}, "color": "#112233", "website": "https://a.example"}
    footer = {"customization_settings": {"footer": {"support_email": "help@shop.example"}}, "hide_powered_by": True}
    layout = {"helper_text": "Hello", "background_image": "https://shop.example/back.png"}
    return samples.portal_settings(brand=logo | footer, layout=layout, support_url="https://shop.example/help")


def order() -> dict[str, Any]:
    """A lookup with every member that is read."""
    national = {"code": "postnl", "name": "PostNL", "drop_off_finder": "https://carrier.example", "logo": {"full": ""}}
    there = {"to_coordinates": {"latitude": 51.4, "longitude": "5.4"}}
    return samples.outgoing(there, national_carrier=national, shipping_method_ids=[1, 2])


ANSWERS: Mapping[str, tuple[object, Callable[[bytes], object]]] = MappingProxyType(
    {
        "settings": (shop(), partial(translation.settings, "my-shop")),
        "lookup": (order(), translation.opened_order),
        "search": ([samples.point(), samples.point(id=2)], translation.service_points),
        "point": (samples.point(), translation.service_point),
        "creation": (
            {"return": 1, "incoming_parcels": [2, 3], "poller_url": f"{LABEL}/polling?token=a.b.c", "payment_url": ""},
            partial(translation.accepted, PANEL, "", "my-shop"),
        ),
        "poll": (
            {
                "return": 1,
                "parcels": [2, 3],
                "tracking_numbers": ["3S2", "3S3"],
                "download_url": f"{LABEL}/download?token=a.b.c",
                "customs_declaration_url": None,
            },
            partial(translation.label, PANEL, "", "my-shop"),
        ),
    }
)
NEEDED: Mapping[str, frozenset[Path]] = MappingProxyType(
    {
        "settings": frozenset({("portal",)}),
        "lookup": frozenset(
            {
                ("access_token",),
                ("data",),
                ("data", "parcel"),
                ("data", "products"),
            }
        ),
        "search": frozenset(),
        "point": frozenset({("id",)}),
        "creation": frozenset({("return",)}),
        "poll": frozenset({("download_url",)}),
    }
)
"""The table of docs/upstream.md, with the objects in which its members stand."""


def paths(document: object, here: Path = ()) -> Iterator[Path]:
    """Where the members and elements of a document are, at any depth."""
    inside: Any = ()
    if isinstance(document, dict):
        inside = document.items()
    elif isinstance(document, list):
        inside = enumerate(document)
    for key, value in inside:
        yield (*here, key)
        yield from paths(value, (*here, key))


def mutated(document: object, path: Path, odd: object) -> bytes:
    """The document with something odd in this place."""
    changed: Any = copy.deepcopy(document)
    parent = changed
    for key in path[:-1]:
        parent = parent[key]
    if odd is not ABSENT:
        parent[path[-1]] = odd
    elif isinstance(parent, dict):
        del parent[path[-1]]
    else:
        parent.pop(path[-1])
    return json.dumps(changed).encode()


@pytest.mark.parametrize("kind", ANSWERS)
def test_an_answer_survives_what_happens_to_a_member_it_can_do_without(kind: str) -> None:
    """Null, absent, empty, of another type, huge or nested: a member that is not needed costs at most itself."""
    document, read = ANSWERS[kind]
    places = [path for path in paths(document) if path not in NEEDED[kind]]
    chance = random.Random(kind)  # noqa: S311  the same mutations in every run
    for _ in range(MUTATIONS // len(ANSWERS)):
        path, odd = chance.choice(places), chance.choice(ODD)
        assert read(mutated(document, path, odd)) is not None, (path, odd)


@pytest.mark.parametrize(("kind", "path"), [(kind, path) for kind, needed in NEEDED.items() for path in sorted(needed)])
def test_an_answer_without_what_it_needs_is_refused(kind: str, path: Path) -> None:
    """A member of the list of needed ones refuses the answer when it is absent, so that the list holds no more."""
    document, read = ANSWERS[kind]
    with pytest.raises(BadUpstream):
        read(mutated(document, path, ABSENT))


def test_at_most_a_dozen_members_are_needed() -> None:
    """The list of what answers need stays short."""
    assert sum(map(len, NEEDED.values())) <= 12


def test_what_is_dropped_is_counted_and_named_once() -> None:
    """The log and the metric name an unreadable member by its path, once for each answer and never with its value."""
    name = "bff_upstream_members_dropped_total"
    before = REGISTRY.get_sample_value(name, {"member": "data.products[].price"}) or 0
    lines = [samples.product(price="swordfish"), samples.product(price="swordfish")]
    with capture_logs() as logged:
        samples.order(products=lines)
    assert REGISTRY.get_sample_value(name, {"member": "data.products[].price"}) == before + 2
    [line] = logged
    assert (line["event"], line["members"]) == ("members dropped", ["data.products[].price"])
    assert "swordfish" not in str(logged)


@pytest.mark.parametrize(
    ("kind", "member"), [("creation", "payment_url"), ("poll", "customs_declaration_url")], ids=["payment", "customs"]
)
@pytest.mark.parametrize("url", ["http://swordfish.example/", "swordfish", 7, {"url": "https://swordfish.example"}])
def test_a_url_that_leads_nowhere_is_counted_and_named(kind: str, member: str, url: object) -> None:
    """A page to pay at or a customs declaration whose URL cannot be taken is counted and named: a shopper misses it."""
    document, read = ANSWERS[kind]
    name = "bff_upstream_members_dropped_total"
    before = REGISTRY.get_sample_value(name, {"member": member}) or 0
    with capture_logs() as logged:
        read(mutated(document, (member,), url))
        for nothing in (None, "", ABSENT):
            read(mutated(document, (member,), nothing))
    assert REGISTRY.get_sample_value(name, {"member": member}) == before + 1
    assert [(line["event"], line["members"]) for line in logged] == [("members dropped", [member])]
    assert "swordfish" not in str(logged)


def test_null_is_absent_and_counts_as_nothing_dropped() -> None:
    """Members that are null are not worth a word in the log."""
    with capture_logs() as logged:
        samples.shop_settings(brand={"website": None, "hide_powered_by": None}, return_fee=None)
    assert logged == []


def test_an_unreadable_parcel_keeps_the_numbers_of_the_others() -> None:
    """A tracking number never goes over to another parcel."""
    odd = {"download_url": f"{LABEL}/download?token=a.b.c", "parcels": ["x", 3], "tracking_numbers": ["3S2", "3S3"]}
    label = translation.label(PANEL, "", "my-shop", json.dumps(odd).encode())
    assert [(parcel.id, parcel.tracking_number) for parcel in label.parcels] == [(3, "3S3")]


def test_many_unreadable_elements_are_dropped_in_time() -> None:
    """Ten times as many unreadable elements take ten times as long, not a hundred times."""
    few, many = (_processor_seconds_for(count) for count in (4_000, 40_000))
    assert many < 40 * few


def test_an_answer_of_too_many_values_is_none() -> None:
    """Eight megabytes of nothing but elements are refused before they are parsed."""
    body = b"[" + b"7," * 4_000_000 + b"7]"
    with pytest.raises(BadUpstream, match="too many values"):
        translation.service_points(body)


def _processor_seconds_for(count: int) -> float:
    body = b"[" + b"7," * (count - 1) + b"7]"
    begun = time.thread_time()
    assert translation.service_points(body) == []
    return time.thread_time() - begun
