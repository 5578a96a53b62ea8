"""What the upstream tells of an order."""

from decimal import Decimal

from pydantic import BaseModel

from bench.beside.fastapi_peer.points import UpstreamPoint


class Country(BaseModel):
    """A country."""

    iso_2: str


class Address(BaseModel):
    """A street and a number."""

    street: str


class Coordinates(BaseModel):
    """Where the shopper lives."""

    latitude: float
    longitude: float


class Carrier(BaseModel):
    """A carrier of the parcel that went out."""

    code: str


class Parcel(BaseModel):
    """The parcel that went out."""

    id: int
    name: str
    company_name: str = ""
    address: str
    address_divided: Address
    house_number: str
    postal_code: str
    city: str
    country: Country
    email: str
    telephone: str
    order_number: str
    tracking_number: str
    carrier: Carrier | None = None
    collo_count: int = 1
    to_coordinates: Coordinates


class Product(BaseModel):
    """What was in it."""

    id: str
    name: str
    price: Decimal | None = None
    image_url: str | None = None
    returnable: bool
    quantity: int


class Logo(BaseModel):
    """A picture."""

    full: str | None = None


class ReturnCarrier(BaseModel):
    """Who takes parcels back."""

    code: str
    name: str
    logo: Logo | None = None


class NationalCarrier(BaseModel):
    """The carrier of the country."""

    code: str | None = None
    name: str
    drop_off_finder: str | None = None


class Distance(BaseModel):
    """How far a store is."""

    id: int
    distance: int


class LookupData(BaseModel):
    """The order."""

    parcel: Parcel
    products: list[Product]
    carriers: list[ReturnCarrier]
    national_carrier: NationalCarrier | None = None
    national_carrier_contact: str | None = None
    shipping_method_ids: list[int]
    service_point: UpstreamPoint | None = None
    labelless_service_point: UpstreamPoint | None = None
    shop_distances: list[Distance]


class Lookup(BaseModel):
    """The order, and tokens for what comes next."""

    data: LookupData
    service_points_token: str
    access_token: str
