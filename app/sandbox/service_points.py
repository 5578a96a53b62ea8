"""The service points host: S1 to S4 of docs/upstream.md."""

import math

from starlette.responses import JSONResponse

from app.sandbox.answers import Answer, Refused
from app.sandbox.brands import Brand, Json, brand_named
from app.sandbox.orders import order_known_as
from app.sandbox.points import is_available, measured, point_with, points_of
from app.sandbox.portal import Call
from app.sandbox.tokens import redeem

MAX_LATITUDE, MAX_LONGITUDE = 90, 180
MIN_RADIUS, MAX_RADIUS = 100, 50_000
"""Metres; that another radius is refused with 400 is our own choice."""


async def search(call: Call) -> Answer:
    """S1: a bare array, unsorted."""
    brand, enabled = _asker(call)
    if barred := set(filter(None, call.query("carrier").split(","))) - set(enabled):
        raise Refused(400, "carrier_not_enabled", f"CarrierNotEnabled: {', '.join(sorted(barred))}")
    latitude, longitude = _place(call, brand)
    country, radius = call.query("country").upper(), _radius(call)
    if not country:
        raise Refused(400, "invalid", 'country: "This field is required."')
    found = [
        point
        for point in (measured(point, latitude, longitude) for point in points_of(brand))
        if point["country"] == country and point["carrier"] in enabled and _is_wanted(call, point, radius)
    ]
    return JSONResponse(found)


async def one(call: Call) -> Answer:
    """S2, with the distance from the customer."""
    brand, _ = _asker(call)
    return JSONResponse(measured(point_with(brand, int(call.path["id"])), *_place(call, brand)))


async def availability(call: Call) -> Answer:
    """S3: a bare boolean."""
    brand, _ = _asker(call)
    return JSONResponse(is_available(point_with(brand, int(call.path["id"]))))


async def carriers(call: Call) -> Answer:
    """S4."""
    return JSONResponse(_asker(call)[1])


def _asker(call: Call) -> tuple[Brand, list[str]]:
    """The brand of the token and its carriers that are enabled; `Refused` where service points are not activated.

    That this is 403 is our choice.
    """
    scheme, _, token = call.request.headers.get("Authorization", "").partition(" ")
    token = token if scheme == "AccessToken" else call.query("access_token")
    call.note(token)
    claims = redeem("service_points", token)
    brand = brand_named(str(claims["brand"]))
    order = order_known_as(brand, str(claims["order"]))
    if not brand.has_service_points or (order and order.scenario.points == "none"):
        raise Refused(403, "forbidden", "Service point support is not activated for this integration")
    enabled = brand.carrier_codes()
    return brand, enabled[:-1] if order and order.scenario.points == "but_one_carrier" else enabled


def _is_wanted(call: Call, point: Json, radius: int | None) -> bool:
    """Whether the radius, and carrier and general_shop_type, each a comma list, let the point through."""
    if radius is not None and point["distance"] > radius:
        return False
    asked = {"carrier": call.query("carrier"), "general_shop_type": call.query("general_shop_type")}
    return all(not values or point.get(name) in values.split(",") for name, values in asked.items())


def _place(call: Call, brand: Brand) -> tuple[float, float]:
    """The reference point asked for, else the brand's customer (our choice)."""
    customer = brand.settings["customer"]
    try:
        latitude = float(call.query("latitude") or customer["latitude"])
        longitude = float(call.query("longitude") or customer["longitude"])
    except ValueError:
        latitude = longitude = math.nan
    # In this form the comparison also refuses NaN, which Python takes for a number.
    if not (abs(latitude) <= MAX_LATITUDE and abs(longitude) <= MAX_LONGITUDE):
        raise Refused(400, "invalid", 'latitude, longitude: "A valid number is required."')
    return latitude, longitude


def _radius(call: Call) -> int | None:
    radius = call.query("radius")
    if not radius:
        return None
    if not radius.isdecimal() or not MIN_RADIUS <= int(radius) <= MAX_RADIUS:
        raise Refused(400, "invalid", 'radius: "Between 100 and 50000 is needed."')
    return int(radius)
