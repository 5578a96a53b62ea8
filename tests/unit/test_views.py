"""What a front end may see of what the service knows."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import DeliveryOptionCode, Order, ShopSettings, Units
from app.http.languages import accepted_languages, negotiate_language
from app.models import fields, service_points, session, shop
from app.portal import view as portal_view
from app.returns.checks.return_methods import delivery_options
from app.service_points import view as points_view
from app.sessions import view
from tests.support.samples import AT_NOON, NOON, order, product, service_point, shop_settings

DIRTY = "  Ret\x00urns\r\n\x1b[31m \u202eeht\u2066 \x85shop\x7f "
CLEAN = "Ret urns [31m eht  shop"
NOT_OURS = ("javascript:alert(1)", "data:text/html,x")


def left(data: Order, held: Mapping[str, int]) -> Mapping[str, int]:
    """The units by line that other returns leave, who hold these of lines and products of one name."""
    lines, products = ({name: n - held.get(name, 0) for name, n in units.items()} for units in data.units)
    return data.left(Units(lines, products))


CLOSED: dict[str, object] = {day: [] for day in "0123456"}


def shown_portal(language: str | None = None, **portal: Any) -> shop.Portal:
    """The public portal of a shop with these settings."""
    return portal_view.portal(shop_settings(**portal), language, stale=False)


def shown_point(now: float = NOON, **changes: object) -> service_points.ServicePoint:
    """A service point as shown at this moment."""
    return points_view.service_point(service_point(**changes), now, now)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Sam Jansen", "S••• J•••"),
        ("Kerkstraat 12", "K••• 1•••"),
        ("+31600000000", "+•••"),
        ("  a   b ", "a••• b•••"),
        ("", ""),
    ],
)
def test_masked(value: str, shown: str) -> None:
    """A masked word shows its first character and always three dots."""
    assert view.masked(value) == shown


@given(st.text(max_size=200))
def test_masked_shows_one_character_per_word(value: str) -> None:
    """No word of any masked text shows more than its first character."""
    assert all(len(word) == 4 and word.endswith("•••") for word in view.masked(value).split())


def test_address_is_masked() -> None:
    """Name, street, e-mail and phone are masked; city, postal code and country are not."""
    assert view.ship_from(order().address).model_dump() == {
        "name": "S••• J•••",
        "street": "K••• 1•••",
        "postal_code": "5611 AA",
        "city": "Eindhoven",
        "country": "NL",
        "email": "s•••@e•••",
        "phone": "+•••",
    }


def test_a_session_tells_no_more_than_it_has_to() -> None:
    """The first screen of a lookup has neither the tokens nor unmasked personal data."""
    data, settings = order(), shop_settings()
    items = view.items(data, left(data, {}), shop_settings(), AT_NOON)
    made = [view.ship_from(data.address), view.parcel(data), view.options(settings, data, NOON), *items]
    shown = f"{made} {view.drop_off(data, NOON, NOON)} {view.actions(data, items)} {shown_portal()}"
    for secret in ("Jansen", "Kerkstraat", "sam@", "example.com", "600000000", "Achterhuis", "access", "133700001"):
        assert secret not in shown


@pytest.mark.parametrize(
    "unknown",
    [{"name": ""}, {"address": "", "address_divided": None, "house_number": ""}, {"email": ""}, {"telephone": ""}],
)
def test_missing_parts_of_the_address(unknown: dict[str, object]) -> None:
    """Members of the shopper that upstream does not know are empty, not masked."""
    assert "" in view.ship_from(order(unknown).address).model_dump().values()


def test_service_point() -> None:
    """A point is typed: numbers for place and distance (whole metres), truth values for being open, cleaned texts."""
    point = shown_point(name=DIRTY, distance=380.6, phone="", open_tomorrow=True, general_shop_type="locker")
    assert (point.name, point.distance, point.latitude, point.longitude) == (CLEAN, 381, 51.441, 5.475)
    assert (point.phone, point.kind, point.open_tomorrow, point.open_upcoming_week) == (None, "locker", True, False)
    assert [(hours.weekday, hours.opens, hours.closes) for hours in point.opening_hours] == [(1, "10:00", "18:00")]


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("locker", "locker"),
        ("x" * 60, "x" * 60),
        ("x" * 61, None),
        ("lock er", None),
        ("\u202elocker", None),
        ("undefined", None),
        ("Unknown", None),
        ("", None),
        (None, None),
    ],
)
def test_kind_of_a_point(kind: str | None, shown: str | None) -> None:
    """The kind of a point is a short code, or absent; upstream has words for a kind that it does not know."""
    assert shown_point(general_shop_type=kind).kind == shown


@pytest.mark.parametrize(
    ("hour", "open_now", "closes_at", "next_open_at"),
    [
        (7, False, None, "2026-07-06T10:00:00+02:00"),
        (10, True, "2026-07-06T18:00:00+02:00", None),
        (16, False, None, None),
    ],
)
def test_open_point(hour: int, open_now: bool, closes_at: str | None, next_open_at: str | None) -> None:  # noqa: FBT001  a column of the table
    """A point says at this moment, in its own time zone, whether it is open, until when and from when on."""
    point = shown_point(datetime(2026, 7, 6, hour, tzinfo=UTC).timestamp())
    assert (point.time_zone, point.open_now) == ("Europe/Amsterdam", open_now)
    moments = [moment and moment.isoformat() for moment in (point.closes_at, point.next_open_at)]
    assert moments == [closes_at, next_open_at]


@pytest.mark.parametrize("country", ["", "XX", "Netherlands"])
def test_point_without_a_time_zone(country: str) -> None:
    """Without a time zone the hours are shown, and `open_now` is null."""
    point = shown_point(NOON + 2 * 86_400, country=country)
    assert (point.time_zone, point.open_now, point.closes_at, point.next_open_at) == (None, None, None, None)
    assert len(point.opening_hours) == 1


@pytest.mark.parametrize(
    "times",
    [None, {}, [], "closed", "by appointment", {"0": None}, {"0": [None]}, {"0": "by appointment"}, CLOSED],
)
def test_point_without_usable_hours(times: object) -> None:
    """Without readable hours, or with only empty days, `open_now` is null."""
    point = shown_point(formatted_opening_times=times)
    assert (point.opening_hours, point.open_now, point.next_open_at) == ([], None, None)
    assert point.unknown_weekdays == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("open_tomorrow", "open_upcoming_week", "open_now"),
    [(False, False, False), (None, False, False), (True, False, None), (False, True, None), (False, None, None)],
)
def test_point_that_never_opens(
    open_tomorrow: bool | None,  # noqa: FBT001  a column of the table, as the next two
    open_upcoming_week: bool | None,  # noqa: FBT001
    open_now: bool | None,  # noqa: FBT001
) -> None:
    """A week of empty days is a closed one only if upstream says that the point does not open."""
    point = shown_point(
        formatted_opening_times=CLOSED, open_tomorrow=open_tomorrow, open_upcoming_week=open_upcoming_week
    )
    assert point.open_now is open_now


@pytest.mark.parametrize(
    "times", ["24/7", {day: ["24/7"] for day in "0123456"}, {day: ["00:00 - 23:59"] for day in "0123456"}]
)
def test_point_that_never_closes(times: object) -> None:
    """A point that never closes is open and has no closing time."""
    point = shown_point(formatted_opening_times=times)
    assert (point.open_now, point.closes_at, point.unknown_weekdays) == (True, None, [])


@pytest.mark.parametrize("odd", [None, "by appointment", ["by appointment"], [9], 9, {"from": "09:00"}])
def test_one_odd_day(odd: object) -> None:
    """A day that cannot be read is not known, and the others are."""
    point = shown_point(formatted_opening_times=CLOSED | {"0": ["10:00 - 18:00"], "2": odd})
    assert (point.open_now, point.unknown_weekdays) == (True, [3])
    assert len(point.opening_hours) == 1


@pytest.mark.parametrize(("days", "known"), [(0, True), (6, True), (7, False), (-1, False), (364, False)])
def test_hours_of_another_week(days: int, known: bool) -> None:  # noqa: FBT001  a column of the table
    """A copy shows no hours in another week than that in which upstream was asked."""
    shown = points_view.service_point(service_point(), NOON + days * 86_400, NOON)
    assert bool(shown.opening_hours) is known
    assert len(shown.unknown_weekdays) == (6 if known else 7)


def test_hours_of_an_unknown_week() -> None:
    """Where it is not known when upstream was asked, nothing is known of the hours."""
    shown = points_view.service_point(service_point(), NOON, None)
    assert (shown.opening_hours, shown.open_now) == ([], None)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (["nl-NL"], "nl-NL"),
        (["NL-nl"], "nl-NL"),
        (["nl"], "nl-NL"),
        (["nl-BE"], "nl-NL"),
        (["en"], "en-GB"),
        (["en-US"], "en-US"),
        (["fr", "de-AT", "nl"], "de"),
        (["fr", "*", ""], None),
        ([], None),
    ],
)
def test_spoken(wanted: list[str], expected: str | None) -> None:
    """The first wanted language the shop has decides, exactly or by its first part; without one the shop does."""
    assert negotiate_language(wanted, ("en-GB", "en-US", "nl-NL", "de")) == expected


@pytest.mark.parametrize(
    ("header", "tags"),
    [
        ("", []),
        ("nl", ["nl"]),
        ("en;q=0.5, nl-NL, de;q=0.7", ["nl-NL", "de", "en"]),
        ("fr-CH, fr;q=0.9, en;q=0.8, *;q=0.5", ["fr-CH", "fr", "en"]),
        ("nl ; q=0.3,de ;q=1.000", ["de", "nl"]),
        ("zh-Hant-TW", ["zh-Hant-TW"]),
        ("nl_NL, en-US-u-hc-h12;q=0.9, C;q=0.8", ["nl-NL", "en-US"]),
        ("<script>, n, en;q=nan, en;q=2, toolonglanguage, nl;q=, ../../x", []),
        (",".join(["x"] * 20 + ["nl"]), []),
        ("en;q=0, nl;q=0.1", ["nl"]),
        ("en;q=0.0, de;q=0.000, nl;q=0.", []),
        ("nl;q=0.2, *;q=0.5, de;q=0.9, en;Q=0.6", ["de", "en"]),
        ("nl;q=1.5, de;q=1.001, en;q=0.1234, fr;q=00.5, it;q=0.001", ["it"]),
    ],
)
def test_accepted_languages(header: str, tags: list[str]) -> None:
    """Language tags come by their weight; parts that are no tags, unwanted, or after the twentieth are left out."""
    assert accepted_languages(header) == tags


@given(st.text(max_size=200))
def test_any_accept_language(header: str) -> None:
    """No header makes trouble, and only tags come out."""
    assert all(tag.replace("-", "").isalnum() and tag.isascii() for tag in accepted_languages(header))


@pytest.mark.parametrize(
    ("data", "held", "why_not"),
    [
        (order(), {}, None),
        (order(), {"shirt": 1}, None),
        (order(), {"shirt": 2}, "nothing-left-to-return"),
        (order(products=[]), {}, "nothing-returnable"),
        (order(products=[product(returnable=False)]), {}, "nothing-returnable"),
        (order({"id": None}), {}, "not-returnable-online"),
        (order({"id": None}, products=[]), {}, "not-returnable-online"),
    ],
)
def test_actions(data: Order, held: dict[str, int], why_not: str | None) -> None:
    """A return can be created while upstream names the parcel and units are left; all else always can be done."""
    create, *others = view.actions(data, view.items(data, left(data, held), shop_settings(), AT_NOON))
    assert (create.name, create.method, create.href) == ("create_return", "POST", "/v1/returns")
    assert (create.allowed, create.why_not) == (why_not is None, why_not)
    assert all(each.allowed for each in others)


@pytest.mark.parametrize(("held", "remaining"), [(0, 2), (1, 1), (2, 0), (3, 0)])
def test_remaining_units(held: int, remaining: int) -> None:
    """Units that returns hold are no longer left, and never fewer than none are."""
    shirt, card = view.items(order(), left(order(), {"shirt": held}), shop_settings(), AT_NOON)
    assert (shirt.quantity, shirt.remaining, shirt.returnable) == (2, remaining, True)
    assert (card.quantity, card.remaining, card.returnable) == (1, 0, False)


@pytest.mark.parametrize(("held", "remaining"), [(0, 5), (1, 4), (5, 0), (9, 0)])
def test_remaining_units_of_equal_lines(held: int, remaining: int) -> None:
    """Lines that are equal but for their quantity are shown as one, its units added up."""
    lines = [product(quantity=quantity) for quantity in (1, 3, 1)]
    data = order(products=[lines[0], product(id="hat"), *lines[1:]])
    shirt, hat = view.items(data, left(data, {"shirt": held}), shop_settings(), AT_NOON)
    assert (shirt.quantity, shirt.remaining, hat.remaining) == (5, remaining, 2)


def test_a_line_without_a_usable_id_can_come_back() -> None:
    """An item whose id is too long to be sent has an id of ours, and its units can be returned."""
    data = order(products=[product(id="x" * 101), product(id="x" * 100)])
    unnamed, named = view.items(data, left(data, {}), shop_settings(), AT_NOON)
    assert (unnamed.id.startswith("ln_"), unnamed.product_id, unnamed.remaining) == (True, "", 2)
    assert (named.id, named.product_id, named.remaining) == ("x" * 100, "x" * 100, 2)


@pytest.mark.parametrize(
    ("price", "amount"), [("29.95", "29.95"), ("5", "5.00"), (4.5, "4.50"), ("0", "0.00"), ("1e3", "1000.00")]
)
def test_money(price: object, amount: str) -> None:
    """An amount has two decimals, and no currency since upstream states none."""
    item = view.items(data := order(products=[product(price=price)]), left(data, {}), shop_settings(), AT_NOON)[0]
    assert item.unit_price == shop.Money(amount=amount, currency=None)


@pytest.mark.parametrize("fee", [None, ""])
def test_no_fee(fee: str | None) -> None:
    """A shop without a fee has none, not one of zero."""
    assert shown_portal(return_fee=fee).fee is None


@pytest.mark.parametrize(("colli", "expected"), [(None, 1), (0, 1), (-3, 1), (1, 1), (5, 5)])
def test_max_parcels(colli: int | None, expected: int) -> None:
    """As many parcels can come back as went out, and at least one."""
    assert order({"collo_count": colli}).max_parcels == expected


@pytest.mark.parametrize(
    ("option", "needs", "accepts"),
    [
        ("drop_off_point", ["service_point"], ["carrier"]),
        ("drop_off_labelless", [], ["service_point", "carrier"]),
        ("pickup", [], ["carrier", "pickup_date"]),
        ("in_store", ["store"], []),
    ],
)
def test_members_of_a_delivery_option(option: DeliveryOptionCode, needs: list[str], accepts: list[str]) -> None:
    """Each return method says which members it needs and which it can use."""
    [shown] = delivery_options(shop_settings(delivery_options=[option]), order())
    assert (shown.needs, shown.accepts) == (needs, accepts)


@pytest.mark.parametrize(
    ("option", "data", "settings", "why_not"),
    [
        ("drop_off_point", order(), shop_settings(), None),
        ("drop_off_labelless", order(), shop_settings(), None),
        ("pickup", order(), shop_settings(), None),
        ("in_store", order(carriers=[]), shop_settings(), None),
        ("in_store", order(), shop_settings(stores=False), "no-store"),
        ("pickup", order(carriers=[]), shop_settings(), "no-carrier"),
        ("drop_off_labelless", order(labelless_service_point=None), shop_settings(), "no-carrier"),
    ],
)
def test_possible_delivery_option(
    option: DeliveryOptionCode, data: Order, settings: ShopSettings, why_not: str | None
) -> None:
    """Each return method says whether the parcel can take it, or why not."""
    [shown] = [each for each in delivery_options(settings, data) if each.code == option]
    assert (shown.possible, shown.why_not) == (why_not is None, why_not)


def test_unknown_delivery_options_are_left_out() -> None:
    """A delivery option that upstream may add later is not offered, because it cannot be handled here."""
    shown = shown_portal(delivery_options=["in_store", "drone", "pickup"])
    assert shown.delivery_options == ["in_store", "pickup"]


def test_portal_holds_nothing_of_the_merchant() -> None:
    """Reply-to and BCC addresses, the analytics id and other members that upstream adds stay inside."""
    shown = shown_portal(
        "nl-NL",
        brand={
            "notify_reply_to_email": "leak-1",
            "notify_bcc_email": "leak-2",
            "customization_settings": {
                "footer": {"support_email": "care@shop.example"},
                "google_analytics_id": "leak-3",
            },
            "google_analytics_id": "leak-4",
            "features": {"returns_portal": "leak-5"},
        },
        google_analytics_id="leak-6",
    )
    assert "leak" not in shown.model_dump_json()
    assert (shown.brand.support_email, shown.language, shown.languages) == (
        "care@shop.example",
        "nl-NL",
        ["en-GB", "nl-NL"],
    )


def test_portal_is_cleaned() -> None:
    """Texts, colours and addresses of the portal are cleaned like all others."""
    shown = shown_portal(
        brand={"name": DIRTY, "color": "red", "secondary_color": "#112855", "website": NOT_OURS[0]},
        layout={"helper_text": DIRTY, "background_image": NOT_OURS[1]},
        support_url="https://shop.example/help",
        reasons=[{"id": 1, "description": DIRTY}],
    )
    assert (shown.brand.name, shown.helper_text, shown.reasons[0].description) == (CLEAN, CLEAN, CLEAN)
    assert (shown.brand.color, shown.brand.secondary_color) == (None, "#112855")
    assert (shown.brand.website, shown.background_image) == (None, None)
    assert shown.brand.support_url == "https://shop.example/help"


def test_bare_portal() -> None:
    """A portal without layout, logo and footer has none, and that is no failure."""
    shown = shown_portal()
    assert (shown.helper_text, shown.background_image, shown.language) == (None, None, None)
    assert (shown.brand.logo, shown.brand.support_email) == (None, None)


def test_a_long_text_of_the_shop() -> None:
    """A shop's text for shoppers is shown to its end, up to 5,000 characters."""
    text = "Worn shoes do not come back. " * 100
    assert shown_portal(layout={"helper_text": text}).helper_text == text.strip()
    assert shown_portal(layout={"helper_text": 3 * text}).helper_text == (3 * text)[:5000]


def test_logos() -> None:
    """Pictures of brand and carriers are passed on where they are web addresses."""
    settings = shop_settings(brand={"screen_logo": {"url": "https://media.example/s.png"}})
    carriers = [
        {"code": "dhl", "logo": {"full": "https://media.example/d.svg"}},
        {"code": "ups", "logo": {"full": "data:image/png;base64,AA"}},
    ]
    assert portal_view.brand(settings.brand).logo == "https://media.example/s.png"
    shown = view.drop_off(order(carriers=carriers), NOON, NOON).carriers
    assert [carrier.logo for carrier in shown] == ["https://media.example/d.svg", None]


def test_stores_have_distances_of_the_parcel() -> None:
    """Stores carry whole metres where the lookup named them, and none on the public portal."""
    known, unknown = order(), order(shop_distances=[{"id": 8, "distance": 1}])
    shown = [view.options(shop_settings(), data, NOON).stores[0].distance for data in (known, unknown)]
    assert shown == [91200, None]
    assert shown_portal().stores[0].distance is None


@pytest.mark.parametrize("stale", [True, False])
def test_portal_says_how_old_it_is(stale: bool) -> None:  # noqa: FBT001  a column of the table
    """A portal that is older than it should be says so."""
    assert portal_view.portal(shop_settings(), None, stale=stale).stale is stale


def test_drop_off() -> None:
    """The nearest points are those of the lookup, or none."""
    near, none = (view.drop_off(data, NOON, NOON) for data in (order(), order(service_point=None)))
    assert near.nearest is not None
    assert near.nearest_labelless is not None
    assert (near.nearest.id, near.nearest_labelless.id, none.nearest) == (20000001, 20000002, None)


def test_national_carrier() -> None:
    """The national carrier comes with web addresses to find and to ask it; where there is none it is absent."""
    named = order(
        national_carrier={"name": "PostNL", "drop_off_finder": "https://carrier.example"},
        national_carrier_contact="tel:112",
    )
    shown = view.options(shop_settings(), named, NOON).national_carrier
    assert shown == shop.NationalCarrier(
        code=None, name="PostNL", drop_off_finder="https://carrier.example", contact=None
    )
    assert view.options(shop_settings(), order(), NOON).national_carrier is None


def test_nearest_points_are_open_or_not() -> None:
    """The points of the lookup say whether they are open at this moment."""
    shown = [view.drop_off(order(), NOON + hours * 3600, NOON).nearest for hours in (0, 10)]
    assert [point and point.open_now for point in shown] == [True, False]


def test_parcel() -> None:
    """A parcel is named by order, tracking number and carrier."""
    assert view.parcel(order()) == session.Parcel(
        order_number="A-1001", tracking_number="3STEST000000001", carrier="postnl", max_parcels=2
    )


def test_moment() -> None:
    """Moments are stated with their offset, which is that of UTC."""
    assert fields.utc_datetime(1798761600.0) == datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "carrier", [None, {}, {"code": ""}, {"code": "x" * 61}, {"code": "post nl"}, {"code": "p\x00"}]
)
def test_parcel_of_no_known_carrier(carrier: dict[str, str] | None) -> None:
    """A parcel whose carrier upstream does not name by a short code has none."""
    assert order({"carrier": carrier}).carrier is None


def test_codes_of_refunds() -> None:
    """A refund that is not named by a short code is not offered."""
    codes = ["money", "x" * 61, "gift card", "", "\u202eyenom", "store_credit-2.0"]
    shown = shown_portal(refund_options=[{"code": code, "label": "Back"} for code in codes])
    assert [option.code for option in shown.refund_options] == ["money", "store_credit-2.0"]


def test_languages_of_a_shop() -> None:
    """A listed language that is not a tag is left out; an underscore counts as a hyphen."""
    shown = shown_portal(languages=["nl-NL", "<script>", "", "nl_BE", "nl-NL\n", "toolonglanguage", "de", 7])
    assert shown.languages == ["nl-NL", "nl-BE", "de"]


def test_languages_have_no_weight() -> None:
    """A weight belongs to a header, not to a shop's language."""
    shown = shown_portal(languages=["en;q=0.5", "nl" + " " * 5000 + ";q=1"])
    assert shown.languages == []
    assert negotiate_language(["en"], ("en;q=0.5",)) is None


@pytest.mark.parametrize("code", ["x" * 61, "\u202elhd", "d hl"])
def test_codes_of_carriers(code: str) -> None:
    """Carriers that are not named by a short code are left out, the national one's code is absent."""
    data = order(carriers=[{"code": code}, {"code": "dhl"}], national_carrier={"code": code, "name": "PostNL"})
    shown = view.options(shop_settings(), data, NOON).national_carrier
    assert [carrier.code for carrier in view.drop_off(data, NOON, NOON).carriers] == ["dhl"]
    assert shown
    assert shown.code is None
