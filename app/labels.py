"""Labels: who asks the upstream when, and documents that are checked on their way to the shopper."""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.errors import (
    BadUpstream,
    LabelNotReady,
    NoLabel,
    UpstreamError,
    UpstreamRejected,
    UpstreamUnauthorized,
)
from app.models import ReturnParcel, ReturnState
from app.returns import Found, ReturnRecord, Returns
from app.sendcloud.client import Document, Sendcloud
from app.sendcloud.schemas import LabelFailed, LabelReady
from app.sessions import Session
from app.store import Store

POLL_DELAYS_SECONDS = (1.0, 2.0, 3.0, 5.0, 8.0)
POLL_JITTER = 0.2
BELIEVED_FAILURES = 2
MAX_DOCUMENT_BYTES = 25 * 1024 * 1024
MAGIC = b"%PDF-"
END, END_WITHIN_BYTES = b"%%EOF", 1024


class Labels:
    """The labels of returns."""

    def __init__(self, store: Store, returns: Returns, sendcloud: Sendcloud, *, lease: float) -> None:
        self._store = store
        self._returns = returns
        self._sendcloud = sendcloud
        self._lease = lease

    async def current(self, session: Session, return_id: str) -> Found:
        """The return, after one look at the upstream if that is due and nobody else is looking.

        Raises:
            ReturnNotFound: the session's parcel has no such return.
        """
        found = await self._returns.get(session.scope, return_id)
        if not _is_due(found):
            return found
        lease, owner = f"p:{{{session.scope}}}:r:{return_id}:lease", secrets.token_urlsafe(12)
        if not await self._store.acquire(lease, owner, self._lease):
            return found
        try:
            found = await self._returns.get(session.scope, return_id)
            return await self._polled(session, found) if _is_due(found) else found
        finally:
            await self._store.release(lease, owner)

    @asynccontextmanager
    async def document(self, session: Session, return_id: str) -> AsyncIterator["Pdf"]:
        """The label, its first bytes checked and the rest still on its way.

        Raises:
            LabelNotReady, NoLabel: there is nothing to fetch now, or ever.
            UpstreamError: the upstream does not hand out a PDF.
        """
        found = await self.current(session, return_id)
        if found.record.state is not ReturnState.LABEL_READY or found.record.download_token is None:
            if found.record.next_poll_at is None:
                raise NoLabel(f"the return is {found.record.state}")
            raise LabelNotReady("still pending", retry_after=found.public().retry_after)
        try:
            async with self._sendcloud.open_label(session.brand, found.record.download_token) as document:
                yield await Pdf.begin(document)
        except (UpstreamUnauthorized, UpstreamRejected) as error:
            # The label's own token was refused; the session's tokens are as good as before.
            raise BadUpstream("the download is refused") from error

    async def _polled(self, session: Session, found: Found) -> Found:
        started = asyncio.get_running_loop().time()
        try:
            status = await self._sendcloud.poll_label(session.brand, found.record.poller_token or "")
        except UpstreamError as error:
            # Nothing is known about the label now: the return stays as it is, and is asked about later.
            return await self._returns.update(
                session.scope,
                found,
                _asked_again(found, wait=error.retry_after, failed_polls=found.record.failed_polls),
            )
        found = found._replace(now=found.now + asyncio.get_running_loop().time() - started)
        if isinstance(status, LabelReady):
            return await self._returns.update(session.scope, found, _ready(found, status))
        failed_polls = found.record.failed_polls + 1 if isinstance(status, LabelFailed) else 0
        if failed_polls == BELIEVED_FAILURES:
            return await self._returns.announcement_failed(session.scope, found.record.id)
        return await self._returns.update(session.scope, found, _asked_again(found, failed_polls=failed_polls))


class Pdf:
    """A PDF on its way; iterating it raises BadUpstream before an incomplete or oversized one could end cleanly."""

    def __init__(self, length: int | None, head: bytes, rest: AsyncIterator[bytes]) -> None:
        self.length = length
        """Bytes, where the upstream announced them."""
        self._head = head
        self._rest = rest

    @classmethod
    async def begin(cls, document: Document) -> "Pdf":
        """The document as a PDF.

        Raises:
            BadUpstream: it does not start like one, or announces more than 25 MiB.
        """
        chunks = aiter(document)
        head = b""
        while len(head) < len(MAGIC) and (chunk := await anext(chunks, b"")):
            head += chunk
        if not head.startswith(MAGIC):
            raise BadUpstream("the document is no PDF")
        if (document.length or 0) > MAX_DOCUMENT_BYTES:
            raise BadUpstream("the document is too large")
        return cls(document.length, head, chunks)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._head
        size, tail = len(self._head), self._head[-END_WITHIN_BYTES:]
        async for chunk in self._rest:
            size += len(chunk)
            if size > MAX_DOCUMENT_BYTES:
                raise BadUpstream("the document is too large")
            tail = (tail + chunk)[-END_WITHIN_BYTES:]
            yield chunk
        if self.length is None and END not in tail:
            raise BadUpstream("the document is cut off")


def next_poll_at(polls: int, now: float, wait: float | None = None) -> float:
    """When to ask next (store's clock, seconds): later each time, jittered, and not before the upstream wants us."""
    delay = POLL_DELAYS_SECONDS[min(polls, len(POLL_DELAYS_SECONDS) - 1)]
    jittered = delay * random.uniform(1 - POLL_JITTER, 1 + POLL_JITTER)  # noqa: S311  spreads load, guards nothing
    return now + max(jittered, wait or 0)


def _is_due(found: Found) -> bool:
    return found.record.next_poll_at is not None and found.record.next_poll_at <= found.now


def _asked_again(found: Found, *, wait: float | None = None, failed_polls: int = 0) -> ReturnRecord:
    polls = found.record.polls + 1
    return found.changed(polls=polls, failed_polls=failed_polls, next_poll_at=next_poll_at(polls, found.now, wait))


def _ready(found: Found, status: LabelReady) -> ReturnRecord:
    numbers = dict(zip(status.parcels, status.tracking_numbers, strict=False))
    return found.changed(
        state=ReturnState.LABEL_READY,
        parcels=tuple(ReturnParcel(id=parcel, tracking_number=numbers.get(parcel)) for parcel in status.parcels),
        download_token=status.download_token,
        customs_path=status.customs_path,
        next_poll_at=None,
    )
