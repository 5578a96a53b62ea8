"""The port to the upstream: the calls that a package for an upstream offers to the features, in our own terms."""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from app.domain import OpenedOrder, ReturnRequest, ServicePoint, ServicePointQuery, ShopSettings
from app.made_returns import AcceptedReturn, LabelStatus, UpstreamEvent


@dataclass(frozen=True)
class Picture:
    """An image to upload: its media type, its length in bytes, and its content, to be read once."""

    media_type: str
    size: int
    content: AsyncIterable[bytes] = field(repr=False)


class Document:
    """The bytes of a label or a customs declaration as they arrive; `length` is the announced one."""

    def __init__(self, length: int | None, chunks: AsyncIterator[bytes]) -> None:
        self.length = length
        self._chunks = chunks

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks


class Upstream(Protocol):
    """Every call raises `UpstreamError`, and `NotFound` where it says so."""

    async def portal_settings(self, brand: str, language: str | None = None) -> ShopSettings:
        """A brand's return settings in `language`. Raises `BrandNotFound`."""

    async def open_order(self, brand: str, identifier: str, postal_code: str) -> OpenedOrder:
        """The order to return from and its tokens. Raises `ParcelNotFound`."""

    async def service_points(self, brand: str, token: str, query: ServicePointQuery) -> list[ServicePoint]:
        """The service points around a place."""

    async def service_point(self, brand: str, token: str, service_point_id: int) -> ServicePoint:
        """One service point. Raises `ServicePointNotFound`."""

    async def service_point_available(self, brand: str, token: str, service_point_id: int) -> bool:
        """Whether the service point takes parcels now. Raises `ServicePointNotFound`."""

    async def upload(self, brand: str, access_token: str, pictures: Sequence[Picture]) -> list[str]:
        """The names under which the pictures are stored, in their order."""

    def check_creation(self, brand: str, parcel_id: int) -> None:
        """Returns if a return of this parcel may be created now, as far as is known here; makes no call.

        Raises:
            UpstreamUnavailable: creations pause, so that nothing needs to be prepared for one.
        """

    async def create_return(
        self,
        brand: str,
        access_token: str,
        request: ReturnRequest,
        before_first_byte: Callable[[], Awaitable[None]],
    ) -> AcceptedReturn:
        """Creates a return, once. `before_first_byte` is awaited when all is ready and nothing was sent.

        Raises `ReturnOutcomeUnknown` wherever the return may exist; any other error proves that it does not.
        """

    async def poll_label(self, brand: str, token: str) -> LabelStatus:
        """The status of a label."""

    def open_label(self, brand: str, token: str) -> AbstractAsyncContextManager[Document]:
        """The label while it downloads."""

    def open_customs(self, brand: str, path: str) -> AbstractAsyncContextManager[Document]:
        """The customs declaration while it downloads, from a `customs_path` of `LabelReady`."""

    def signed_event(self, keys: Sequence[str], headers: Mapping[str, str], body: bytes) -> UpstreamEvent | None:
        """What the upstream tells in a request to us; None for one that says nothing about a return.

        Raises `SignatureInvalid` if none of the keys signed it; nothing of it is read then.
        """

    def hosted_portal(self, brand: str) -> str:
        """The address of the upstream's own portal for this brand."""

    async def aclose(self) -> None:
        """Closes all connections."""
