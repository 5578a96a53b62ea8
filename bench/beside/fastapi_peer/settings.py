"""Portal settings as they come."""

from decimal import Decimal
from typing import Any

from pydantic import BaseModel


class Reason(BaseModel):
    """Why something comes back."""

    id: int
    description: str


class UpstreamRefund(BaseModel):
    """A way to be paid back, as it comes."""

    code: str
    label: str
    require_message: bool


class UpstreamBrand(BaseModel):
    """The brand as it comes."""

    domain: str
    name: str
    color: str | None = None
    secondary_color: str | None = None
    website: str | None = None
    screen_logo: dict[str, Any] | None = None
    hide_powered_by: bool = False


class UpstreamPortal(BaseModel):
    """The portal as it comes."""

    brand: UpstreamBrand
    languages: list[str]
    layout: dict[str, Any] | None = None
    reasons: list[Reason]
    refund_options: list[UpstreamRefund]
    delivery_options: list[str]
    return_fee: Decimal | None = None
    support_url: str | None = None
    return_policy_url: str | None = None


class UpstreamStore(BaseModel):
    """A store that takes returns, as it comes."""

    id: int
    company_name: str
    address_1: str
    address_2: str = ""
    house_number: str
    postal_code: str
    city: str
    country_name: str


class Settings(BaseModel):
    """E1 as it comes."""

    portal: UpstreamPortal
    return_locations: list[UpstreamStore]
