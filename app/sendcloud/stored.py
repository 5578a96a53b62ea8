"""What releases before this one stored of the upstream's answers, read for as long as it may be there."""

import json
from collections.abc import Mapping

from pydantic import JsonValue

from app.domain import OpenedOrder, ServicePoint
from app.sendcloud.translation import opened_order, service_point


def opened_order_of_schema_1(outgoing: Mapping[str, JsonValue]) -> OpenedOrder:
    """The order in a session of schema 1, which held the upstream's own words; for as long as a session lives."""
    return opened_order(json.dumps(outgoing).encode())


def service_point_of_schema_1(point: ServicePoint) -> ServicePoint:
    """The drop-off point in a return of schema 1, whose texts are as they came; for as long as returns are kept."""
    return service_point(point.model_dump_json().encode())
