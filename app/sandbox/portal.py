"""The panel host: E1 to E6 of docs/upstream.md, and the customs document that E5 may name."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse

from app.sandbox import incoming, uploads
from app.sandbox.answers import ELSEWHERE, Answer, Refused, pause
from app.sandbox.brands import Brand, Json, brand_named
from app.sandbox.ledger import Entry, Ledger, Return
from app.sandbox.orders import Order, find_order, order_known_as
from app.sandbox.pdf import Pdf, draw
from app.sandbox.scenarios import rate_limited, revoked, whole
from app.sandbox.tokens import Use, issue, peek, redeem

SWITCH = {"": False, "0": False, "false": False, "1": True, "true": True}
UNAUTHORIZED = 401


@dataclass(frozen=True)
class Call:
    """One request to either host: what it asks, what is remembered, and its line in the ledger."""

    request: Request
    path: Mapping[str, str]
    ledger: Ledger
    entry: Entry
    token_lifetime: float
    host: str
    """Scheme and host by which URLs are named."""

    @property
    def brand(self) -> Brand:
        """The shop in the path; `Refused` (404) where there is none."""
        return brand_named(self.path["brand"])

    def query(self, name: str) -> str:
        """A query parameter, empty where it is missing."""
        return self.request.query_params.get(name, "")

    def note(self, token: str) -> None:
        """Let the ledger name the order or the return that a token speaks of, be it good or not."""
        claims = peek(token)
        number = claims.get("id")
        if isinstance(number, int) and number in self.ledger.returns:
            self.entry.return_id, self.entry.order = number, self.ledger.returns[number].order.number
        if "order" in claims:
            self.entry.brand, self.entry.order = str(claims["brand"]), str(claims["order"])

    async def about(self, order: Order) -> None:
        """Note the order in the ledger and take the time its scenario takes."""
        self.entry.brand, self.entry.order = order.brand.domain, order.number
        if order.scenario.delay:
            # Waiting consumes what the connection still holds, so the body has to be out of it first.
            await self.request.body()
            await pause(self.request.receive, order.scenario.delay)

    def url(self, rest: str) -> str:
        """An absolute URL under this brand's return portal."""
        return f"{self.host}/api/v2/brand/{self.path['brand']}/return-portal/{rest}"


async def settings(call: Call) -> Answer:
    """E1."""
    return JSONResponse(call.brand.portal(call.query("language") or None))


async def outgoing(call: Call) -> Answer:
    """E2."""
    omitted = [SWITCH.get(call.query(f"omit_service_point{plural}").lower()) for plural in ("s", "")]
    if None in omitted:
        raise Refused(400, "invalid_parameter", "omit_service_points is no boolean.")
    order = find_order(call.brand, call.query("identifier"), call.query("postal_code"))
    await call.about(order)
    if order.scenario.lookup:
        return order.scenario.lookup(order.suffix)
    claims = {"brand": order.brand.domain, "order": order.number, "parcel": order.parcel_id}
    lifetime = call.token_lifetime if order.scenario.token_lifetime is None else order.scenario.token_lifetime
    answer = {
        "data": order.outgoing(omit_service_points=any(omitted), returned=call.ledger.units_returned(order)),
        "service_points_token": issue("service_points", claims | {"iid": call.brand.settings["brand"]["id"]}, lifetime),
        "access_token": issue("access", claims, lifetime),
    }
    return JSONResponse(answer)


async def upload(call: Call) -> Answer:
    """E3."""
    order = await _order_of_bearer(call)
    if order.scenario.refusal is revoked:
        return revoked(order.suffix)
    files = uploads.take(call.request.headers.get("Content-Type", ""), await call.request.body())
    call.ledger.files[order.brand.domain].update(stored["filename"] for stored in files)
    return JSONResponse(files, 201)


async def create(call: Call) -> Answer:
    """E4: every accepted request makes another return."""
    order = await _order_of_bearer(call)
    if order.scenario.refusal:
        return order.scenario.refusal(order.suffix)
    body = incoming.accept(await call.request.body(), order, call.ledger.files[order.brand.domain])
    # From here on the return exists, however badly the scenario answers.
    units = sum(product.quantity for product in body.products)
    made = call.ledger.make_return(order, body.delivery_option, body.incoming_parcel.collo_count, units)
    call.entry.created, call.entry.return_id, call.entry.body = True, made.id, _without_person(body)
    return order.scenario.create(order.suffix) if order.scenario.create else JSONResponse(_created(call, made))


async def poll(call: Call) -> Answer:
    """E5."""
    made = await _return_of_token(call, "poller", call.query("token"))
    scenario = made.order.scenario
    match made.next_status():
        case 200 if scenario.poll:
            return scenario.poll(made.order.suffix)
        case 200:
            return JSONResponse(_ready(call, made))
        case 429:
            return rate_limited(made.order.suffix)
        case status:
            return JSONResponse({}, status)


async def download(call: Call) -> Answer:
    """E6."""
    made = await _document_of_token(call, call.query("token"))
    scenario = made.order.scenario
    made.downloads += 1
    if made.downloads > scenario.downloads:
        raise Refused(404, "label_not_found", "This label is no longer available.")
    return scenario.label(_label(made))


async def customs(call: Call) -> Answer:
    """The document that `customs_declaration_url` names; its place and form are our own choice."""
    made = await _document_of_token(call, call.path["token"])
    return whole(draw([["Customs declaration", f"Return {made.id}", *made.tracking_numbers]]))


def _label(made: Return) -> Pdf:
    counter = made.delivery_option == "drop_off_labelless"
    last = ["Show this code at the counter"] if counter else []
    pages = [
        [f"Return {made.id}", f"Parcel {collo} of {made.collo_count}", tracking, *last]
        for collo, tracking in enumerate(made.tracking_numbers, start=1)
    ]
    return draw(pages, made.order.scenario.label_bytes)


def _created(call: Call, made: Return) -> Json:
    lifetime = (
        call.token_lifetime if made.order.scenario.poller_lifetime is None else made.order.scenario.poller_lifetime
    )
    poller_url = call.url(f"label/polling?token={issue('poller', {'id': made.id}, lifetime)}")
    answer = {"poller_url": _perhaps_elsewhere(call, made, "poller_url", poller_url), "return": made.id}
    answer |= _absent(made, answer)
    payment_url = None if made.paid else f"https://payments.example/checkout/{made.id}"
    return answer | {"incoming_parcels": made.parcels, "payment_url": payment_url}


def _ready(call: Call, made: Return) -> Json:
    token = issue("download", {"id": made.id})
    answer = {
        "download_url": _perhaps_elsewhere(call, made, "download_url", call.url(f"label/download?token={token}")),
        "return": made.id,
        "parcels": made.parcels,
        "tracking_numbers": made.tracking_numbers,
    }
    answer |= _absent(made, answer)
    return answer | ({"customs_declaration_url": call.url(f"customs/{token}")} if made.order.scenario.overseas else {})


def _absent(made: Return, answer: Json) -> Json:
    return {made.order.scenario.absent: None} if made.order.scenario.absent in answer else {}


def _perhaps_elsewhere(call: Call, made: Return, name: str, url: str) -> str:
    return url.replace(call.host, ELSEWHERE, 1) if made.order.scenario.foreign == name else url


async def _order_of_bearer(call: Call) -> Order:
    """The order the access token was issued for; it opens nothing of another brand (our choice)."""
    scheme, _, token = call.request.headers.get("Authorization", "").partition(" ")
    # Noted before it is checked: a request with an expired token counts for its order as well.
    call.note(token)
    claims = redeem("access", token if scheme == "Bearer" else "")
    order = order_known_as(call.brand, str(claims["order"]))
    if claims["brand"] != call.brand.domain or order is None:
        raise Refused(UNAUTHORIZED, "invalid_token", "The token is another shop's.")
    await call.about(order)
    return order


async def _return_of_token(call: Call, use: Use, token: str) -> Return:
    call.note(token)
    redeem(use, token)
    made = call.ledger.returns.get(call.entry.return_id or 0)
    if made is None or made.order.brand != call.brand:
        raise Refused(UNAUTHORIZED, "invalid_token", "The token is another shop's.")
    await call.about(made.order)
    return made


async def _document_of_token(call: Call, token: str) -> Return:
    """As `_return_of_token`; a bad token finds nothing: 404 (our choice)."""
    try:
        return await _return_of_token(call, "download", token)
    except Refused as refused:
        raise Refused(404, "label_not_found", "There is no such document.") from refused


def _without_person(body: incoming.Incoming) -> Json:
    shown = {"product_id", "quantity", "return_reason"}
    products = [product.model_dump(include=shown, exclude_unset=True) for product in body.products]
    return {
        "products": products,
        "delivery_option": body.delivery_option,
        "collo_count": body.incoming_parcel.collo_count,
        "service_point": body.service_point.id if body.service_point else None,
    }
