"""The client of the upstream: its calls, each guarded by the policy of its class."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from types import MappingProxyType
from typing import NamedTuple, TypeVar
from uuid import UUID

import httpx

from app.domain import OpenedOrder, ReturnRequest, ServicePoint, ServicePointQuery, ShopSettings
from app.errors import (
    BadUpstream,
    ReturnOutcomeUnknown,
    SignatureInvalid,
    UpstreamError,
    UpstreamRejected,
    UpstreamUnauthorized,
    UpstreamUnavailable,
)
from app.made_returns import AcceptedReturn, LabelStatus, UpstreamEvent
from app.sendcloud import protocol, webhooks
from app.sendcloud.leniency.tokens import hosted_portal
from app.sendcloud.policy.call_policy import Attempt, CallPolicy
from app.sendcloud.protocol import Call, Request
from app.sendcloud.transport.base import Answer, Transport, complete, content_length, decoded, exchange, read
from app.sendcloud.transport.httptools_transport import HttptoolsTransport
from app.sendcloud.transport.httpx_transport import CREATES, HttpxTransport
from app.sendcloud.transport.send_tracker import SendTracker
from app.upstream import Document, Picture

T = TypeVar("T")

NO_HEADERS: Mapping[str, str] = MappingProxyType({})
LARGE_BYTES = 64 * 1024
"""A longer answer is decoded in a thread, because it would hold up the event loop."""


class Addresses(NamedTuple):
    """The base URLs of both APIs, and the base that the upstream's own URLs have (empty: the panel's)."""

    panel: str
    service_points: str
    public: str = ""


class Egress(NamedTuple):
    """How calls leave: certificates trusted beside the usual ones (`ca`, a path), and a CONNECT `proxy` (a URL)."""

    ca: str = ""
    proxy: str = ""


DIRECT = Egress()

AddressesOf = Callable[[str], Addresses]
"""Where a brand's calls go."""


class Sendcloud:
    """The Return Portal and Service Points APIs. Methods raise `UpstreamError` and, where they say so, `NotFound`.

    `reads` carries all GETs. `creates` carries the POSTs and must never reuse a connection.
    With `token_in_header`, no URL holds the service points token.
    `guards` maps each call to its policy. `headers` go with every call.
    The upstream may name its URLs by `public_url` instead of `panel_url`.
    `addresses` gives the addresses of a brand, where they are not the same for all.
    """

    def __init__(  # noqa: PLR0913  three addresses, two ways to send, and what guards each call
        self,
        panel_url: str,
        service_points_url: str,
        *,
        reads: Transport,
        creates: Transport,
        guards: Mapping[Call, CallPolicy],
        public_url: str = "",
        headers: Mapping[str, str] = NO_HEADERS,
        token_in_header: bool = False,
        addresses: AddressesOf | None = None,
    ) -> None:
        self._token_in_header = token_in_header
        self._headers = headers
        everywhere = Addresses(panel_url.rstrip("/"), service_points_url.rstrip("/"), public_url)
        self._at = addresses or (lambda _brand: everywhere)
        self._reads = reads
        self._creates = creates
        self._guards = guards

    def signed_event(self, keys: Sequence[str], headers: Mapping[str, str], body: bytes) -> UpstreamEvent | None:
        """What a webhook says; None for one that says nothing about a return. Raises `SignatureInvalid`."""
        if not any(webhooks.is_signed(key, headers, body) for key in keys):
            raise SignatureInvalid("no key of the shop signed it")
        return webhooks.event(body)

    def hosted_portal(self, brand: str) -> str:
        """The address of the upstream's own portal for this brand (seen in clients)."""
        return hosted_portal(brand)

    async def aclose(self) -> None:
        """Closes all connections."""
        await self._reads.aclose()
        await self._creates.aclose()

    async def portal_settings(self, brand: str, language: str | None = None) -> ShopSettings:
        """A brand's return settings in `language` (E1). Raises `BrandNotFound`."""
        return await self._get(protocol.settings(self._at(brand).panel, brand, language))

    async def open_order(self, brand: str, identifier: str, postal_code: str) -> OpenedOrder:
        """The order to return from and its tokens (E2). Raises `ParcelNotFound`."""
        return await self._get(protocol.outgoing(self._at(brand).panel, brand, identifier, postal_code))

    async def poll_label(self, brand: str, token: str) -> LabelStatus:
        """The status of a label (E5)."""
        return await self._get(protocol.polling(self._at(brand).panel, brand, token, self._at(brand).public))

    async def service_points(self, brand: str, token: str, query: ServicePointQuery) -> list[ServicePoint]:
        """The service points around a place, of all carriers that are enabled (S1).

        It names no carrier, because the search is refused if one of those named is not enabled. Where it is refused
        or brings nothing it is made again with the carriers that are enabled (S4).
        """
        search = partial(protocol.service_points, self._at(brand).service_points, brand, _given(token), query)
        refusal = None
        try:
            if found := await self._get(search()):
                return found
        except UpstreamRejected as error:
            refusal = error
        try:
            enabled = await self._get(protocol.service_point_carriers(self._at(brand).service_points, brand, token))
            return await self._get(search(enabled)) if enabled else []
        except UpstreamError as error:
            if refusal:
                raise refusal from error
            return []

    async def service_point(self, brand: str, token: str, service_point_id: int) -> ServicePoint:
        """One service point (S2). Raises `ServicePointNotFound`."""
        point = await self._get(
            protocol.service_point(self._at(brand).service_points, brand, _given(token), service_point_id)
        )
        if point.id != service_point_id:
            raise BadUpstream("another service point than the one asked for")
        return point

    async def service_point_available(self, brand: str, token: str, service_point_id: int) -> bool:
        """Whether the service point takes parcels now (S3). Raises `ServicePointNotFound`."""
        return await self._get(
            protocol.availability(self._at(brand).service_points, brand, _given(token), service_point_id)
        )

    def open_label(self, brand: str, token: str) -> AbstractAsyncContextManager[Document]:
        """The label while it downloads (E6)."""
        return self._open(protocol.download(self._at(brand).panel, brand, token))

    def open_customs(self, brand: str, path: str) -> AbstractAsyncContextManager[Document]:
        """The customs declaration while it downloads, from a `customs_path` of `LabelReady`."""
        return self._open(protocol.customs(self._at(brand).panel, brand, path))

    async def upload(self, brand: str, access_token: str, pictures: Sequence[Picture]) -> list[str]:
        """The names under which the upstream stores the pictures (E3), in the order of the pictures.

        Files whose names we lose expire there, so an error does no harm.

        It goes over `creates`, because a POST that meets a closing kept connection cannot be repeated.
        """
        request = protocol.uploads(self._at(brand).panel, brand, access_token, pictures)
        async with self._guards[request.call].slot(brand) as deadline:
            return await self._asked(self._creates, request, deadline)

    def check_creation(self, brand: str, parcel_id: int) -> None:
        """Returns if a creation for this parcel may leave now. Raises `UpstreamUnavailable` if creations pause."""
        self._guards[Call.INCOMING].check(brand, str(parcel_id))

    async def create_return(
        self, brand: str, access_token: str, request: ReturnRequest, before_first_byte: Callable[[], Awaitable[None]]
    ) -> AcceptedReturn:
        """Creates a return (E4), once. `before_first_byte` is awaited when the connection stands and nothing was sent.

        Raises `ReturnOutcomeUnknown` wherever the return may exist. Any other error, including one of
        `before_first_byte`, proves that it does not.
        """
        creation = protocol.incoming(self._at(brand).panel, brand, access_token, request, self._at(brand).public)
        guard, witness = self._guards[creation.call], SendTracker(before_first_byte)
        async with guard.slot(brand) as deadline:
            return await guard.tried(creation, deadline, partial(self._sent, creation, witness, deadline))

    async def _sent(
        self, creation: Request[AcceptedReturn], witness: SendTracker, deadline: float, attempt: Attempt
    ) -> AcceptedReturn:
        waits = self._guards[creation.call].bulkhead.timeouts(deadline)
        try:
            answer = await exchange(self._creates, self._headed(creation), waits, deadline, witness)
        except Exception as error:
            if not witness.proves_never_sent:
                raise ReturnOutcomeUnknown("no whole answer to a creation that may have been sent") from error
            if witness.refusal is not None:
                raise witness.refusal from None
            raise
        attempt.status, _, _ = answer
        return _created(creation, witness, answer)

    async def _get(self, request: Request[T]) -> T:
        guard = self._guards[request.call]
        async with guard.slot(request.brand) as deadline:
            return await guard.repeated(request.brand, deadline, partial(self._asked, self._reads, request, deadline))

    async def _asked(self, wire: Transport, request: Request[T], deadline: float) -> T:
        guard = self._guards[request.call]

        async def ask(attempt: Attempt) -> T:
            answer = await exchange(wire, self._headed(request), guard.bulkhead.timeouts(deadline), deadline)
            attempt.status, _, body = answer
            if len(body) > LARGE_BYTES:
                return await asyncio.to_thread(partial(protocol.decode, request, *answer))
            return protocol.decode(request, *answer)

        return await guard.tried(request, deadline, ask)

    @asynccontextmanager
    async def _open(self, request: Request[None]) -> AsyncIterator[Document]:
        guard = self._guards[request.call]
        async with guard.slot(request.brand) as deadline, AsyncExitStack() as connection:
            opened = partial(self._opened, request, deadline, connection)
            yield await guard.repeated(request.brand, deadline, partial(guard.tried, request, deadline, opened))

    async def _opened(
        self, request: Request[None], deadline: float, kept: AsyncExitStack, attempt: Attempt
    ) -> Document:
        """The document once its head is here, on a connection that the stack gives back."""
        waits = self._guards[request.call].bulkhead.timeouts(deadline)
        response = self._reads.response(self._headed(request), waits, deadline)
        async with AsyncExitStack() as opening:
            head, chunks = await opening.enter_async_context(response)
            attempt.status = head.status
            if attempt.status != HTTPStatus.OK:
                refused = await read(decoded(head.headers, chunks))
                raise protocol.refusal(request.call, attempt.status, head.headers, refused)
            await kept.enter_async_context(opening.pop_all())
        length = content_length(head.headers)
        body = decoded(head.headers, complete(chunks, length))
        return Document(None if "content-encoding" in head.headers else length, body)

    def _headed(self, request: Request[T]) -> Request[T]:
        if self._token_in_header and request.call in protocol.SERVICE_POINT_CALLS:
            request = protocol.with_token_in_header(request)
        return replace(request, headers={**request.headers, **self._headers}) if self._headers else request


def _given(token: str) -> str:
    """The token. Without one the upstream would refuse the call, and that would end the session."""
    if not token:
        raise BadUpstream("the lookup gave no token for service points")
    return token


def _created(request: Request[AcceptedReturn], witness: SendTracker, answer: Answer) -> AcceptedReturn:
    if not witness.saw_it_leave:
        raise ReturnOutcomeUnknown("an answer through a transport that does not tell when it sends")
    try:
        return protocol.decode(request, *answer)
    except (UpstreamRejected, UpstreamUnauthorized, UpstreamUnavailable):
        raise
    except Exception as error:
        raise ReturnOutcomeUnknown("no usable answer to a creation that was sent") from error


def connect(  # noqa: PLR0913  three addresses, what guards each call, and what goes with it
    panel_url: str,
    service_points_url: str,
    guards: Mapping[Call, CallPolicy],
    addresses: AddressesOf | None = None,
    partner_id: UUID | None = None,
    *,
    token_in_header: bool = False,
    egress: Egress = DIRECT,
) -> Sendcloud:
    """A client on real connections."""
    tls = httpx.create_ssl_context(trust_env=False)
    if egress.ca:
        tls.load_verify_locations(egress.ca)
    return Sendcloud(
        panel_url,
        service_points_url,
        reads=HttptoolsTransport(tls, egress.proxy),
        creates=HttpxTransport(
            httpx.AsyncHTTPTransport(verify=tls, trust_env=False, limits=CREATES, proxy=egress.proxy or None)
        ),
        guards=guards,
        addresses=addresses,
        headers={"Sendcloud-Partner-Id": str(partner_id)} if partner_id else NO_HEADERS,
        token_in_header=token_in_header,
    )
