"""Another upstream, as small as can be: one shop, one order, a label that is ready at the second look."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal

from app.domain import (
    Address,
    Brand,
    Carrier,
    OpenedOrder,
    Order,
    OrderLine,
    Reason,
    ReturnRequest,
    ServicePoint,
    ServicePointQuery,
    ShopSettings,
)
from app.errors import ParcelNotFound, ServicePointNotFound
from app.made_returns import AcceptedReturn, LabelledParcel, LabelPending, LabelReady, LabelStatus, UpstreamEvent
from app.upstream import Document, Picture

PDF = b"%PDF-1.7\n%%EOF\n"
BAKERY = ServicePoint(id=1, name="Bakery", carrier="toy", country="NL", latitude=51.44, longitude=5.47)
ADDRESS = Address(
    name="Sam Jansen",
    company_name="",
    street="Kerkstraat",
    house_number="12",
    address_2="",
    postal_code="5611 AA",
    city="Eindhoven",
    state=None,
    country="NL",
    country_name="Netherlands",
    email="sam@example.com",
    phone="",
)
ORDER = Order(
    parcel_id=1,
    number="T-1",
    tracking_number="",
    carrier=None,
    max_parcels=1,
    address=ADDRESS,
    coordinates=None,
    lines=(
        OrderLine(
            id="kite",
            product_id="kite",
            name="Kite",
            image_url=None,
            price=Decimal("9.50"),
            quantity=1,
            returnable_quantity=1,
            why_not=None,
        ),
    ),
    carriers=(Carrier(code="toy", name="Toy Post", logo=None),),
    service_point=BAKERY,
    labelless_service_point=None,
    store_distances={},
    national_carrier=None,
    shipping_method_ids=(),
)


class ToyUpstream:
    """Knows order T-1 of every brand; remembers what it was asked to create."""

    def __init__(self) -> None:
        self.created: list[ReturnRequest] = []
        self.looks = 0

    async def portal_settings(self, brand: str, language: str | None = None) -> ShopSettings:
        """A shop that asks for a reason and offers no refund."""
        nothing = dict.fromkeys(Brand.model_fields)
        shop = Brand.model_validate(nothing | {"domain": brand, "name": "Toys", "hide_powered_by": False})
        return ShopSettings(
            brand=shop,
            helper_text="",
            background_image=None,
            languages=("en-GB",),
            reasons=(Reason(id=1, description="Does not fly"),),
            refund_options=(),
            delivery_options=("drop_off_point", "pickup"),
            return_fee=None,
            stores=(),
        )

    async def open_order(self, brand: str, identifier: str, postal_code: str) -> OpenedOrder:
        """Order T-1."""
        if identifier != ORDER.number:
            raise ParcelNotFound("not T-1")
        return OpenedOrder(order=ORDER, access_token="toy", service_points_token="toy", expires_at=None)

    async def service_points(self, brand: str, token: str, query: ServicePointQuery) -> list[ServicePoint]:
        """The bakery."""
        return [BAKERY]

    async def service_point(self, brand: str, token: str, service_point_id: int) -> ServicePoint:
        """The bakery."""
        if service_point_id != BAKERY.id:
            raise ServicePointNotFound("not the bakery")
        return BAKERY

    async def service_point_available(self, brand: str, token: str, service_point_id: int) -> bool:
        """The bakery takes everything."""
        return bool(await self.service_point(brand, token, service_point_id))

    async def upload(self, brand: str, access_token: str, pictures: Sequence[Picture]) -> list[str]:
        """Names by number."""
        return [f"picture-{number}" for number, _ in enumerate(pictures)]

    def check_creation(self, brand: str, parcel_id: int) -> None:
        """Creations never pause."""

    async def create_return(
        self,
        brand: str,
        access_token: str,
        request: ReturnRequest,
        before_first_byte: Callable[[], Awaitable[None]],
    ) -> AcceptedReturn:
        """A return with a label to wait for."""
        await before_first_byte()
        self.created.append(request)
        return AcceptedReturn(return_id=1, incoming_parcels=(2,), poller_token="toy", payment_url=None)

    async def poll_label(self, brand: str, token: str) -> LabelStatus:
        """Ready at the second look."""
        self.looks += 1
        parcels = (LabelledParcel(id=2, tracking_number="TOY2"),)
        ready = LabelReady(download_token="toy", parcels=parcels, customs_path=None)
        return ready if self.looks > 1 else LabelPending()

    @asynccontextmanager
    async def open_label(self, brand: str, token: str) -> AsyncIterator[Document]:
        """A PDF."""
        yield Document(len(PDF), _pieces())

    def open_customs(self, brand: str, path: str) -> AbstractAsyncContextManager[Document]:
        """The label once more: there is no customs declaration."""
        return self.open_label(brand, path)

    def signed_event(self, keys: Sequence[str], headers: Mapping[str, str], body: bytes) -> UpstreamEvent | None:
        """The toy tells nothing."""

    def hosted_portal(self, brand: str) -> str:
        """A page of the toy's."""
        return f"https://toys.example/{brand}"

    async def aclose(self) -> None:
        """Has nothing to close."""


async def _pieces() -> AsyncIterator[bytes]:
    yield PDF
