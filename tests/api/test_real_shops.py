"""Odd members that real shops, orders and carriers send: the order opens, and the return goes on with the rest."""

import itertools
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest
import pytest_asyncio

from tests.support import samples, scripted_upstream
from tests.support.processes import Valkey, running_bff
from tests.support.raw_server import Behaviour, answer
from tests.support.sandbox import SandboxProcess
from tests.support.scripted_upstream import Heard, ScriptedUpstream, always, token
from tests.support.shopper import Shopper, told

BRANDS = [f"shop-{number}" for number in range(200)]
"""Settings are kept by brand, so each case takes one of its own."""
PUBLIC = "https://panel.public.example/api/v2"
SHIRT = {"items": [{"id": "shirt", "quantity": 1, "reason": 11}], "delivery": {"option": "pickup"}}


@dataclass
class Stage:
    """A service whose upstream is scripted and names its URLs by another host, too."""

    http: httpx.AsyncClient
    upstream: ScriptedUpstream
    brands: Iterator[str] = field(default_factory=lambda: iter(BRANDS))
    parcels: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    async def look_up(self, **said: object) -> httpx.Response:
        """A lookup at a fresh brand after the upstream was told what to say; all else is as usual."""
        order = scripted_upstream.outgoing({"id": next(self.parcels)})
        self.upstream.say(return_portal=scripted_upstream.settings(), outgoing=order)
        self.upstream.say(incoming=scripted_upstream.created(), polling=scripted_upstream.label())
        self.upstream.say(**said)
        wanted = {"identifier": "A-1001", "postal_code": "5611 AA", "token_delivery": "body"}
        return await self.http.post(f"/v1/brands/{next(self.brands)}/sessions", json=wanted)

    async def shopper(self, parcel: dict[str, object] | None = None, **said: object) -> Shopper:
        """A shopper whose lookup opened an order of its own."""
        lines = {"products": said.pop("products")} if "products" in said else {}
        order = scripted_upstream.outgoing({"id": next(self.parcels)} | (parcel or {}), **lines)
        response = await self.look_up(**{"outgoing": order} | said)
        assert response.status_code == 201, response.text
        screen = response.json()
        return Shopper(self.http, screen, {"Authorization": f"Bearer {screen['session_token']}"})


@pytest_asyncio.fixture(scope="module", name="stage")
async def _stage(store: Valkey, sandbox: SandboxProcess) -> AsyncIterator[Stage]:
    async with scripted_upstream.scripted_upstream() as upstream:
        urls = {"upstream_url": upstream.url, "service_points_url": upstream.url, "upstream_public_url": PUBLIC}
        async with running_bff(store.url, sandbox, brands=",".join(BRANDS), poll_interval=0.05, **urls) as bff:
            yield Stage(bff.http, upstream)


async def preview(someone: Shopper, body: dict[str, Any]) -> dict[str, Any]:
    """What the preview says."""
    response = await someone.http.post("/v1/returns/preview", json=body, headers=someone.headers)
    said: dict[str, Any] = response.json()
    return said


@pytest.mark.parametrize(
    ("price", "amount"),
    [
        (24.793388429752067, "24.79"),
        ("24.793388429752067", "24.79"),
        (0.30000000000000004, "0.30"),
        (-0.0, "0.00"),
        ("29,95", "29.95"),
        ("", None),
        (None, None),
        ({}, None),
    ],
)
async def test_only_what_is_needed_may_fail_a_price(stage: Stage, price: object, amount: str | None) -> None:
    """An odd price is rounded to cents or not known, and its line can be returned all the same."""
    someone = await stage.shopper(products=[samples.product(price=price), samples.product(id="hat")])
    odd, good = someone.screen["items"]
    assert odd["unit_price"] == (amount and {"amount": amount, "currency": None})
    assert (odd["remaining"], odd["why_not"], good["remaining"]) == (2, None, 2)
    assert (await someone.create(someone.body("pickup"))).status_code == 202


@pytest.mark.parametrize(
    "odd",
    [
        {"returnable": None},
        {"returnable": "perhaps"},
        {"quantity": 1.5},
        {"quantity": 0},
        {"quantity": None},
        {"quantity": 10**30},
    ],
)
async def test_only_what_is_needed_may_fail_a_line(stage: Stage, odd: dict[str, object]) -> None:
    """A line that lacks a member a return needs is shown with the rest, and says why it cannot be returned."""
    someone = await stage.shopper(products=[samples.product(name="Odd", **odd), samples.product(id="hat")])
    first, good = someone.screen["items"]
    assert (first["name"], first["returnable"], first["remaining"]) == ("Odd", False, 0)
    assert (first["why_not"], good["why_not"], good["remaining"]) == ("incomplete", None, 2)
    await stage.look_up()


@pytest.mark.parametrize(
    ("carriers", "known"),
    [
        (None, ["postnl"]),
        ({}, ["postnl"]),
        ("x", ["postnl"]),
        ([None], ["postnl"]),
        (["dhl", {"code": None}], ["postnl"]),
        ([], []),
        ([{"code": "dhl"}, {"code": None}], ["dhl"]),
    ],
)
async def test_carriers_that_are_not_known_are_not_none(stage: Stage, carriers: object, known: list[str]) -> None:
    """Where the carriers cannot be read the one that brought the parcel takes it back; an empty list means none."""
    someone = await stage.shopper(outgoing=scripted_upstream.outgoing({"id": next(stage.parcels)}, carriers=carriers))
    assert [carrier["code"] for carrier in someone.screen["drop_off"]["carriers"]] == known
    stage.upstream.say(**{"20000001": samples.point(carrier=known[0] if known else "postnl")})
    for option in ("pickup", "drop_off_point"):
        assert (await someone.create(someone.body(option))).status_code == (202 if known else 422)


@pytest.mark.parametrize("country", [None, {}, "NL", {"iso_2": "NLD", "name": "Netherlands"}, {"iso_2": ""}])
async def test_an_order_from_an_unknown_country_opens(stage: Stage, country: object) -> None:
    """Where the country cannot be read the order is shown, and sent on to the shop's hosted portal to come back."""
    someone = await stage.shopper({"country": country})
    assert someone.screen["items"][0]["name"] == "Blue shirt M"
    create = next(each for each in someone.screen["actions"] if each["name"] == "create_return")
    assert (create["allowed"], create["why_not"]) == (False, "not-returnable-online")
    refused = await someone.create(someone.body("pickup"))
    assert told(refused) == (409, "not-returnable-online")
    assert refused.headers["location"].startswith("https://shop-")
    assert told(await someone.get("/v1/service-points")) == (502, "bad-upstream")


async def test_a_pasted_line_separator_is_no_part_of_a_number(stage: Stage) -> None:
    """Characters that word processors add at the end of a copied line are removed from order number and postal code."""
    wanted = {"identifier": "A-1001\u2028", "postal_code": "\u20295611 AA", "token_delivery": "body"}
    await stage.look_up()
    await stage.http.post(f"/v1/brands/{next(stage.brands)}/sessions", json=wanted)
    asked = stage.upstream.requests_for("outgoing")[-1].query
    assert (asked["identifier"], asked["postal_code"]) == (["A-1001"], ["5611 AA"])


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
async def test_a_number_that_is_none_counts_as_null(stage: Stage, number: str) -> None:
    """`NaN` and the infinities, which Python servers write, count as unknown and cost no other member."""
    order = scripted_upstream.outgoing(
        {"id": next(stage.parcels), "email": 0.125}, products=[samples.product(price=0.125)]
    )
    someone = await stage.shopper(outgoing=json.dumps(order).replace("0.125", number).encode())
    assert [item["unit_price"] for item in someone.screen["items"]] == [None]
    assert (await preview(someone, someone.body("pickup")))["missing"] == ["#/contact/email"]


async def test_a_byte_order_mark_and_broken_text_cost_no_answer(stage: Stage) -> None:
    """Each answer up to the label is read behind a byte order mark, and with a text that is not UTF-8 shown as odd."""
    said = {
        "return_portal": scripted_upstream.settings(),
        "outgoing": scripted_upstream.outgoing({"id": next(stage.parcels)}, products=[samples.product(name="Caf~")]),
        "incoming": scripted_upstream.created(),
        "polling": scripted_upstream.label(),
    }
    odd: dict[str, Any]
    odd = {call: b"\xef\xbb\xbf" + json.dumps(each).encode().replace(b"~", b"\xe9") for call, each in said.items()}
    someone = await stage.shopper(**odd)
    assert [item["name"] for item in someone.screen["items"]] == ["Caf\ufffd"]
    location = (await someone.create(someone.body("pickup"))).headers["location"]
    assert (await someone.settled(location))["state"] == "label_ready"


@pytest.mark.parametrize(("number", "shown"), [(2**53, 2**53), (2**53 + 1, None), (2**63, None), (10**30, None)])
async def test_a_return_of_any_number_is_accepted(stage: Stage, number: int, shown: int | None) -> None:
    """An integer proves that the return exists; it is shown where every front end can hold it."""
    someone = await stage.shopper(incoming=scripted_upstream.created(**{"return": number}))
    created = await someone.create(someone.body("pickup"))
    assert (created.status_code, created.json()["sendcloud_return_id"]) == (202, shown)


@pytest.mark.parametrize("element", [None, 7, "x", []])
async def test_an_unreadable_line_costs_itself(stage: Stage, element: object) -> None:
    """An unreadable element of the lines is left out, and the others are shown."""
    someone = await stage.shopper(products=[element, samples.product()])
    assert [item["id"] for item in someone.screen["items"]] == ["shirt"]


@pytest.mark.parametrize(
    "portal",
    [
        {"enable_paid_returns": None, "enable_refunds": None, "return_fee": None},
        {"brand": {"hide_powered_by": None, "website": ""}},
        {"brand": {"name": None, "id": None, "domain": None}},
        {"brand": None},
        {"layout": [], "reasons": [{"id": 11}, {"id": None}, 7]},
    ],
)
async def test_only_what_is_needed_may_fail_settings(stage: Stage, portal: dict[str, object]) -> None:
    """Settings with members that are null or absent are those of the brand of the path."""
    said = samples.portal_settings()
    said["portal"] |= portal
    response = await stage.look_up(return_portal=said)
    assert response.status_code == 201, response.text
    brand = response.json()["brand"]
    assert brand["domain"].startswith("shop-")
    assert brand["name"] in {"My Shop", brand["domain"]}
    assert brand["website"] is None
    assert brand["hide_powered_by"] is False


async def test_languages_of_a_shop_with_an_underscore(stage: Stage) -> None:
    """A shop's language is read with an underscore, too, and what is no language is left out."""
    settings = samples.portal_settings(languages=["nl_NL", "", "C", None, "de"])
    brand = (await stage.look_up(return_portal=settings)).json()["brand"]["domain"]
    assert (await stage.http.get(f"/v1/brands/{brand}/portal")).json()["languages"] == ["nl-NL", "de"]


@pytest.mark.parametrize("languages", [None, ["en-GB"], ["en-GB", "nl-NL"]])
async def test_a_language_that_the_upstream_refuses(stage: Stage, languages: list[str] | None) -> None:
    """An order opens in the shop's own language if the upstream refuses its settings in the wanted one."""
    said = scripted_upstream.body(scripted_upstream.settings(languages=languages))

    def in_no_language(heard: Heard) -> Behaviour:
        return answer(400, b'{"error": {"code": "invalid"}}') if heard.query else answer(200, said)

    stage.upstream.say(outgoing=scripted_upstream.outgoing({"id": next(stage.parcels)}))
    stage.upstream.do(return_portal=in_no_language)
    brand = next(stage.brands)
    wanted = {"identifier": "A-1001", "postal_code": "5611 AA", "language": "nl-NL"}
    assert (await stage.http.post(f"/v1/brands/{brand}/sessions", json=wanted)).status_code == 201
    portal = await stage.http.get(f"/v1/brands/{brand}/portal?language=nl-NL")
    assert (portal.status_code, portal.json()["language"]) == (200, None)


async def test_what_is_named_twice_is_offered_once(stage: Stage) -> None:
    """A choice that settings or an order name twice, as once for each of two rules, is offered once."""
    settings, order = scripted_upstream.settings(), scripted_upstream.outgoing({"id": next(stage.parcels)})
    lists = [(settings["portal"], name) for name in ("reasons", "refund_options", "delivery_options", "languages")]
    for said, name in (*lists, (settings, "return_locations"), (order["data"], "carriers")):
        said[name] += said[name][:1]
    someone = await stage.shopper(return_portal=settings, outgoing=order)
    options = someone.screen["options"]
    assert [reason["id"] for reason in options["reasons"]] == [11, 22]
    assert [refund["code"] for refund in options["refund_options"]] == ["money", "exchange"]
    ways = ["drop_off_point", "drop_off_labelless", "in_store", "pickup"]
    assert [way["code"] for way in options["delivery_options"]] == ways
    assert [store["id"] for store in options["stores"]] == [7]
    assert [carrier["code"] for carrier in someone.screen["drop_off"]["carriers"]] == ["postnl", "dhl"]
    portal = await stage.http.get(f"/v1/brands/{someone.screen['brand']['domain']}/portal")
    assert (portal.json()["languages"], portal.json()["delivery_options"]) == (["en-GB", "nl-NL"], ways)


@pytest.mark.parametrize("spelled", [" {} ", "\u00a0{}", "{}\n"], ids=ascii)
async def test_codes_with_blanks_around_them(stage: Stage, spelled: str) -> None:
    """Blanks around a code are no part of it: of a carrier, a refund, a return method or a language."""
    said = scripted_upstream.settings(
        refund_options=[{"code": spelled.format("money"), "label": "Money back"}],
        delivery_options=[spelled.format("drop_off_point")],
        languages=[spelled.format("nl-NL")],
    )
    order = scripted_upstream.outgoing({"id": next(stage.parcels)}, carriers=[{"code": spelled.format("postnl")}])
    someone = await stage.shopper(return_portal=said, outgoing=order)
    stage.upstream.say(**{"20000001": samples.point(carrier=spelled.format("postnl"))})
    assert (await someone.create()).status_code == 202
    sent = json.loads(stage.upstream.requests_for("incoming")[-1].body)
    assert (sent["refund"]["refund_type"]["code"], sent["selected_carrier_code"]) == ("money", "postnl")
    portal = await stage.http.get(f"/v1/brands/{someone.screen['brand']['domain']}/portal")
    assert portal.json()["languages"] == ["nl-NL"]


async def test_return_methods_in_another_letter_case(stage: Stage) -> None:
    """A return method is known in any letter case."""
    someone = await stage.shopper(return_portal=scripted_upstream.settings(delivery_options=["Pickup", "IN_STORE"]))
    assert [way["code"] for way in someone.screen["options"]["delivery_options"]] == ["pickup", "in_store"]
    assert (await someone.create(someone.body("pickup"))).status_code == 202


async def test_a_shop_without_refunds_takes_returns(stage: Stage) -> None:
    """Where no refund is offered none has to be named, and the upstream is told of none."""
    settings = samples.portal_settings(enable_refunds=False, refund_options=None)
    someone = await stage.shopper(return_portal=settings)
    assert someone.screen["options"]["refund_required"] is False
    assert (await preview(someone, SHIRT))["valid"]
    assert (await someone.create(SHIRT)).status_code == 202
    assert "refund" not in json.loads(stage.upstream.requests_for("incoming")[-1].body)


async def test_a_shop_with_refunds_asks_for_one(stage: Stage) -> None:
    """Where refunds are offered one has to be named, and the first screen says so."""
    someone = await stage.shopper()
    assert someone.screen["options"]["refund_required"] is True
    assert (await preview(someone, SHIRT))["missing"] == ["#/refund"]
    assert told(await someone.create(SHIRT)) == (422, "invalid-request")


@pytest.mark.parametrize("said", [{}, *({"delivery_options": odd} for odd in (None, 7, [None], [{"code": "pickup"}]))])
async def test_settings_that_name_no_way_back(stage: Stage, said: dict[str, object]) -> None:
    """Where the answer does not name the shop's return methods, every one that the parcel can take is offered."""
    portal = {name: samples.portal_settings()["portal"][name] for name in ("reasons", "brand")}
    someone = await stage.shopper(return_portal={"portal": portal | said})
    options = {option["code"]: option["possible"] for option in someone.screen["options"]["delivery_options"]}
    assert options == {"drop_off_point": True, "drop_off_labelless": True, "in_store": False, "pickup": True}
    assert (await someone.create(SHIRT)).status_code == 202


@pytest.mark.parametrize("reasons", [None, [], [{"id": None}], "x"])
async def test_a_shop_without_reasons_takes_returns(stage: Stage, reasons: object) -> None:
    """Where no reason is offered none has to be named, and the upstream is told that there is none."""
    someone = await stage.shopper(return_portal=samples.portal_settings(reasons=reasons))
    body = someone.body("pickup", items=[{"id": "shirt", "quantity": 1}])
    assert (await preview(someone, body))["problems"] == []
    assert (await someone.create(body)).status_code == 202
    assert json.loads(stage.upstream.requests_for("incoming")[-1].body)["reason"] is None


async def test_refunds_that_are_off_are_not_offered(stage: Stage) -> None:
    """Refunds that are off are not offered, though the answer lists them."""
    someone = await stage.shopper(return_portal=samples.portal_settings(enable_refunds=False))
    assert (someone.screen["options"]["refund_options"], someone.screen["options"]["refund_required"]) == ([], False)
    assert (await someone.create(SHIRT)).status_code == 202


@pytest.mark.parametrize("email", ["", "n/a", "-", "sam at example.com", "@", 7])
async def test_an_email_that_is_none_is_asked_for(stage: Stage, email: object) -> None:
    """A placeholder instead of an e-mail address counts as none: the shopper's is asked for, the shop's not shown."""
    footer = {"footer": {"support_email": email}}
    settings = samples.portal_settings(brand={"customization_settings": footer})
    someone = await stage.shopper({"email": email}, return_portal=settings)
    assert someone.screen["brand"]["support_email"] is None
    assert (await preview(someone, someone.body("pickup")))["missing"] == ["#/contact/email"]


async def test_a_pickup_on_a_day_that_is_over(stage: Stage) -> None:
    """A pickup is asked for within the days that the first screen names; any other one is invalid, and not made."""
    someone = await stage.shopper()
    body = someone.body("pickup")
    first, last = (date.fromisoformat(someone.screen["options"]["pickup"][end]) for end in ("earliest", "latest"))
    for day in (first - timedelta(days=1), last + timedelta(days=1), date(1, 1, 1)):
        body["delivery"]["pickup_date"] = day.isoformat()
        [problem] = (await preview(someone, body))["problems"]
        refused = await someone.create(body)
        assert told(refused) == (422, "invalid-request")
        assert [problem] == refused.json()["errors"]
        assert (problem["pointer"], problem["code"]) == ("#/delivery/pickup_date", "invalid")
    assert timedelta(days=-1) < first - datetime.now(UTC).date() < timedelta(days=2)
    body["delivery"]["pickup_date"] = last.isoformat()
    assert (await someone.create(body)).status_code == 202


async def test_no_days_where_nothing_is_picked_up(stage: Stage) -> None:
    """A shop that offers no pickup names no days for one."""
    someone = await stage.shopper(return_portal=samples.portal_settings(delivery_options=["in_store"]))
    assert someone.screen["options"]["pickup"] is None


@pytest.mark.parametrize(
    "access", [jwt.encode({"exp": 4e9 + 0.5}, "0" * 32), jwt.encode({"exp": "soon"}, "0" * 32), "opaque-token", "a.b.c"]
)
async def test_an_unreadable_end_of_a_token_is_no_reason_to_refuse(stage: Stage, access: str) -> None:
    """A token whose end is a decimal, a text or not to be read opens the order like any other."""
    response = await stage.look_up(outgoing=scripted_upstream.outgoing() | {"access_token": access})
    assert response.status_code == 201


@pytest.mark.parametrize(
    ("unknown", "member"),
    [("email", "email"), ("name", "name"), ("postal_code", "postal_code"), ("city", "city")],
)
async def test_a_sender_whom_the_upstream_cannot_write_to_is_asked(stage: Stage, unknown: str, member: str) -> None:
    """Preview and creation name the members of the sender that the order lacks, and a correction fills them in."""
    someone = await stage.shopper({unknown: None})
    body = someone.body("pickup")
    said = await preview(someone, body)
    assert (said["valid"], said["missing"]) == (False, [f"#/contact/{member}"])
    refused = await someone.create(body)
    assert told(refused) == (422, "invalid-request")
    assert [error["pointer"] for error in refused.json()["errors"]] == [f"#/contact/{member}"]
    contact = {member: "sam@example.com" if member == "email" else "3511 AA"}
    assert (await someone.create(body | {"contact": contact})).status_code == 202


async def test_a_missing_telephone_is_a_hint(stage: Stage) -> None:
    """A return without a telephone is valid and created, and the preview points at what may be asked for."""
    someone = await stage.shopper({"telephone": None})
    said = await preview(someone, someone.body("pickup"))
    assert (said["valid"], said["missing"]) == (True, ["#/contact/phone"])
    assert (await someone.create(someone.body("pickup"))).status_code == 202


@pytest.mark.parametrize(
    "name",
    ["Hose <M, blau", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\U0001f468\u200d\U0001f469\u200d\U0001f467"],
    ids=ascii,
)
async def test_names_are_whole(stage: Stage, name: str) -> None:
    """A name keeps what looks like markup and the joiners of its script, on the screen and in the return."""
    someone = await stage.shopper(products=[samples.product(name=name)])
    created = await someone.create(someone.body("pickup"))
    assert [someone.screen["items"][0]["name"], created.json()["items"][0]["name"]] == [name, name]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("//cdn.example/shirt.png", "https://cdn.example/shirt.png"),
        ("https://cdn.example/blue shirt é.png", "https://cdn.example/blue%20shirt%20%C3%A9.png"),
    ],
)
async def test_pictures_are_shown(stage: Stage, url: str, shown: str) -> None:
    """A picture's address without a scheme is one of https, and one that is not encoded is encoded."""
    someone = await stage.shopper(products=[samples.product(image_url=url)])
    assert someone.screen["items"][0]["image_url"] == shown


@pytest.mark.parametrize("numbers", [None, [], [None], ["3S2", None, {}], {}])
async def test_a_label_without_tracking_numbers_is_ready(stage: Stage, numbers: object) -> None:
    """A label that can be downloaded is ready, even if its tracking numbers are odd."""
    someone = await stage.shopper(polling=scripted_upstream.label(tracking_numbers=numbers))
    location = (await someone.create(someone.body("pickup"))).headers["location"]
    settled = await someone.settled(location)
    known = numbers[0] if isinstance(numbers, list) and numbers else None
    parcels = [{"id": 2, "tracking_number": known, "tracking": None}]
    assert (settled["state"], settled["parcels"]) == ("label_ready", parcels)


@pytest.mark.parametrize("parcels", [None, {}, ["x"]])
async def test_a_label_without_parcels_keeps_those_of_the_creation(stage: Stage, parcels: object) -> None:
    """Where the label names no parcels, those that the creation named stay."""
    someone = await stage.shopper(polling=scripted_upstream.label(parcels=parcels))
    location = (await someone.create(someone.body("pickup"))).headers["location"]
    settled = await someone.settled(location)
    assert (settled["state"], [parcel["id"] for parcel in settled["parcels"]]) == ("label_ready", [2])


async def test_a_parcel_that_is_named_twice_is_one(stage: Stage) -> None:
    """Answers that name a parcel twice mean one parcel, with the tracking number that either place has."""
    twice = scripted_upstream.label(parcels=[2, 2, 3], tracking_numbers=[None, "3S2", "3S3"])
    someone = await stage.shopper(incoming=scripted_upstream.created(incoming_parcels=[2, 2, 3]), polling=twice)
    created = await someone.create(someone.body("pickup"))
    assert [parcel["id"] for parcel in created.json()["parcels"]] == [2, 3]
    parcels = (await someone.settled(created.headers["location"]))["parcels"]
    assert [(parcel["id"], parcel["tracking_number"]) for parcel in parcels] == [(2, "3S2"), (3, "3S3")]


async def test_urls_may_be_named_by_the_public_base(stage: Stage) -> None:
    """An upstream behind another host is polled and read here, though it names its URLs by its public base."""
    incoming = scripted_upstream.created(poller_url=_public("polling"))
    someone = await stage.shopper(incoming=incoming, polling=scripted_upstream.label(download_url=_public("download")))
    brand = someone.screen["brand"]["domain"]
    for call, said in (("incoming", incoming), ("polling", scripted_upstream.label(download_url=_public("download")))):
        stage.upstream.say(**{call: json.loads(json.dumps(said).replace("BRAND", brand))})
    location = (await someone.create(someone.body("pickup"))).headers["location"]
    assert (await someone.settled(location))["state"] == "label_ready"
    assert (await someone.get(f"{location}/label")).status_code == 200


def _public(kind: str) -> str:
    return f"{PUBLIC}/brand/BRAND/return-portal/label/{kind}?token={token(kind)}"


@pytest.mark.parametrize("carrier", [None, "", {"code": "postnl"}])
async def test_a_point_of_an_unknown_carrier_takes_the_parcel(stage: Stage, carrier: object) -> None:
    """A point whose carrier cannot be read is not one of another carrier; the return names a carrier if it was told."""
    stage.upstream.say(**{"20000001": samples.point(carrier=carrier)})
    for named in ({}, {"carrier": "dhl"}):
        someone = await stage.shopper()
        body = someone.body()
        body["delivery"] |= named
        assert (await preview(someone, body))["problems"] == []
        assert (await someone.create(body)).status_code == 202
        sent = json.loads(stage.upstream.requests_for("incoming")[-1].body)
        assert sent.get("selected_carrier_code") == named.get("carrier")


async def test_without_a_token_for_service_points_the_session_lives(stage: Stage) -> None:
    """A lookup without a token for service points opens the order; only questions about points fail, as upstream's."""
    order = scripted_upstream.outgoing({"id": next(stage.parcels)}) | {"service_points_token": None}
    someone = await stage.shopper(outgoing=order)
    assert told(await someone.get("/v1/service-points")) == (502, "bad-upstream")
    assert (await someone.get("/v1/session")).status_code == 200


async def test_orders_without_a_number_share_nothing(stage: Stage) -> None:
    """Two orders without any number upstream are two parcels here, and neither uses up the other's limits."""
    unnamed = {"id": None, "order_number": None, "tracking_number": None}
    brand, screens = next(stage.brands), []
    for identifier in ("A-1", "A-2"):
        stage.upstream.say(return_portal=scripted_upstream.settings(), outgoing=scripted_upstream.outgoing(unnamed))
        wanted = {"identifier": identifier, "postal_code": "5611 AA", "token_delivery": "body"}
        screens.append((await stage.http.post(f"/v1/brands/{brand}/sessions", json=wanted)).json())
    handoffs = [
        await stage.http.post(
            "/v1/session/handoff", json={}, headers={"Authorization": f"Bearer {each['session_token']}"}
        )
        for each in screens
        for _ in range(10)
    ]
    assert {each.status_code for each in handoffs} == {201}


@pytest.mark.parametrize("spelled", ["postnl", "PostNL", "POSTNL"])
async def test_a_carrier_in_another_letter_case(stage: Stage, spelled: str) -> None:
    """A carrier is the same in any letter case, and upstream is told its code as the order spells it."""
    order = scripted_upstream.outgoing({"id": next(stage.parcels)}, carriers=[{"code": "PostNL"}])
    stage.upstream.say(service_points=[samples.point(carrier=spelled)], **{"20000001": samples.point(carrier=spelled)})
    someone = await stage.shopper(outgoing=order)
    assert [carrier["code"] for carrier in someone.screen["drop_off"]["carriers"]] == ["PostNL"]
    for query in ("", f"?carrier={spelled}"):
        [found] = (await someone.get(f"/v1/service-points{query}")).json()["service_points"]
        assert found["carrier"] == spelled
    for named in ({}, {"carrier": spelled}):
        body = someone.body()
        body["delivery"] |= named
        assert (await preview(someone, body))["problems"] == []
        assert (await someone.create(body)).status_code == 202
        assert json.loads(stage.upstream.requests_for("incoming")[-1].body)["selected_carrier_code"] == "PostNL"


@pytest.mark.parametrize("nowhere", [{"latitude": 0, "longitude": 0}, {"latitude": "0.000000", "longitude": "-0.0"}])
async def test_a_place_that_was_not_found(stage: Stage, nowhere: dict[str, object]) -> None:
    """Latitude and longitude 0, which geocoders say of an address they do not find, are no place to search around."""
    stage.upstream.say(**{"20000001": samples.point(**nowhere), "check_availability": True})
    unknown, lost = await stage.shopper({"to_coordinates": None}), await stage.shopper({"to_coordinates": nowhere})
    for someone in (unknown, lost):
        assert told(await someone.get("/v1/service-points")) == (422, "invalid-request")
    assert lost.screen["options"]["pickup"] == unknown.screen["options"]["pickup"]
    point = (await lost.get("/v1/service-points/20000001")).json()
    assert (point["latitude"], point["longitude"], point["time_zone"]) == (None, None, "Europe/Amsterdam")


@pytest.mark.parametrize("nameless", [None, "", " ", []])
async def test_what_has_no_name_is_shown_by_its_code(stage: Stage, nameless: object) -> None:
    """A carrier or a refund without a name has its code to show."""
    order = scripted_upstream.outgoing(
        {"id": next(stage.parcels)},
        carriers=[{"code": "postnl", "name": nameless}],
        national_carrier={"code": "postnl", "name": nameless},
    )
    refunds = [{"code": "money", "label": nameless}]
    someone = await stage.shopper(outgoing=order, return_portal=scripted_upstream.settings(refund_options=refunds))
    options = someone.screen["options"]
    assert [refund["label"] for refund in options["refund_options"]] == ["money"]
    assert [carrier["name"] for carrier in someone.screen["drop_off"]["carriers"]] == ["postnl"]
    assert options["national_carrier"]["name"] == "postnl"


@pytest.mark.parametrize("distance", [-1, 1e308, "-0.5", 10**30])
async def test_a_distance_that_is_none(stage: Stage, distance: object) -> None:
    """A store is no less than nothing and no farther than half the Earth away; another distance is not known."""
    order = scripted_upstream.outgoing({"id": next(stage.parcels)}, shop_distances=[{"id": 7, "distance": distance}])
    someone = await stage.shopper(outgoing=order)
    assert [store["distance"] for store in someone.screen["options"]["stores"]] == [None]


async def test_a_refund_with_a_long_code(stage: Stage) -> None:
    """A refund that is offered can be chosen, however long its code is."""
    said = scripted_upstream.settings(refund_options=[{"code": "store_credit".ljust(60, "_")}])
    someone = await stage.shopper(return_portal=said)
    assert (await someone.create(someone.body("pickup"))).status_code == 202


@pytest.mark.parametrize("carrier", [None, {}, "PostNL", {"code": None, "name": "", "drop_off_finder": ""}])
async def test_a_national_carrier_of_whom_little_is_known(stage: Stage, carrier: object) -> None:
    """A national carrier of whom nothing is known is none; the address of its help page is shown in any case."""
    for contact in (None, "https://carrier.example/contact"):
        said: dict[str, object] = {"national_carrier": carrier, "national_carrier_contact": contact}
        someone = await stage.shopper(outgoing=scripted_upstream.outgoing({"id": next(stage.parcels)}, **said))
        shown = {"code": None, "name": "", "drop_off_finder": None, "contact": contact}
        assert someone.screen["options"]["national_carrier"] == (shown if contact else None)


@pytest.mark.parametrize("nameless", [None, "", " ", {}])
async def test_an_item_without_a_name(stage: Stage, nameless: object) -> None:
    """An item without a name goes by its product id: on the screen, in the return, and in what upstream is told."""
    someone = await stage.shopper(products=[samples.product(name=nameless)])
    created = await someone.create(someone.body("pickup"))
    assert [someone.screen["items"][0]["name"], created.json()["items"][0]["name"]] == ["shirt", "shirt"]
    assert json.loads(stage.upstream.requests_for("incoming")[-1].body)["products"][0]["description"] == "shirt"


async def test_an_incomplete_item_is_not_refused_by_the_shop(stage: Stage) -> None:
    """Of an item that lacks what a return needs nobody says that the shop does not take it back."""
    someone = await stage.shopper(products=[samples.product(returnable=None), samples.product(id="hat")])
    body = someone.body("pickup")
    body["items"][0]["id"] = "shirt"
    [problem] = (await preview(someone, body))["problems"]
    assert (problem["code"], problem["detail"]) == ("not-returnable", "Too little is known about this item.")


@pytest.mark.parametrize("word", ["None", "null", " NONE "])
async def test_words_that_stand_for_nothing(stage: Stage, word: str) -> None:
    """A word that a program writes where it has nothing is printed on no label and shown as no tracking number."""
    parts = ("company_name", "address_2", "house_number", "telephone", "to_state")
    label = scripted_upstream.label(tracking_numbers=[word])
    someone = await stage.shopper(dict.fromkeys(parts, word) | {"address_divided": None}, polling=label)
    body = someone.body("pickup")
    assert (await preview(someone, body))["missing"] == ["#/contact/phone"]
    created = await someone.create(body)
    sent = json.loads(stage.upstream.requests_for("incoming")[-1].body)["incoming_parcel"]
    assert word not in sent.values()
    assert sent["from_address_1"] == "Kerkstraat 12"
    [parcel] = (await someone.settled(created.headers["location"]))["parcels"]
    assert parcel["tracking_number"] is None


async def test_an_empty_body_that_is_said_to_be_compressed(stage: Stage) -> None:
    """A status without a body is told from its head, though a proxy names a compression of the body."""
    someone = await stage.shopper()
    stage.upstream.do(incoming=always(answer(403, headers="content-encoding: gzip\r\n")))
    assert told(await someone.create(someone.body("pickup"))) == (422, "return-refused")
    stage.upstream.do(outgoing=always(answer(404, headers="content-encoding: gzip\r\n")))
    wanted = {"identifier": "A-1002", "postal_code": "5611 AA"}
    refused = await stage.http.post(f"/v1/brands/{next(stage.brands)}/sessions", json=wanted)
    assert told(refused) == (404, "parcel-not-found")
