"""Opens the documents of a return, from those kept in Redis or from the upstream."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from app.documents.delivery import Delivery, Documents, Source
from app.errors import CustomsDeclarationNotFound, LabelNotReady, NoLabel, UpstreamGone, UpstreamUnauthorized
from app.redis.limits.rate_limits import ParcelLimit
from app.returns.labels.polling import Polling
from app.returns.store.records import VersionedReturn
from app.sessions.session import Session
from app.upstream import Document, Upstream


@dataclass(frozen=True)
class ReturnDocuments:
    """Labels and customs declarations of returns, with the objects they need."""

    sendcloud: Upstream
    polling: Polling
    documents: Documents
    parcel_limit: ParcelLimit

    @asynccontextmanager
    async def label(self, session: Session, found: VersionedReturn) -> AsyncIterator[Delivery]:
        """The label of a return.

        Raises:
            LabelNotReady: the label cannot be fetched yet.
            NoLabel: the return will never have one.
        """
        _download_token(found)
        source = partial(self._counted, session, partial(self._opened_label, session, found.record.id))
        async with self.documents.open(session.parcel_key, found.record.id, source) as delivery:
            yield delivery

    @asynccontextmanager
    async def _opened_label(self, session: Session, return_id: str) -> AsyncIterator[Document]:
        """The label from the upstream; if its URL has died, one poll asks for a fresh one."""
        token = _download_token(await self._read_again(session, return_id))
        async with AsyncExitStack() as opened:
            try:
                document = await opened.enter_async_context(self.sendcloud.open_label(session.brand, token))
            except (UpstreamUnauthorized, UpstreamGone):
                fresh = await self.polling.fresh_download_token(session.parcel_key, return_id, token)
                if fresh is None:
                    raise
                document = await opened.enter_async_context(self.sendcloud.open_label(session.brand, fresh))
            yield document

    @asynccontextmanager
    async def customs_declaration(self, session: Session, found: VersionedReturn) -> AsyncIterator[Delivery]:
        """The customs declaration.

        Raises:
            CustomsDeclarationNotFound: the upstream named none that we may fetch.
        """
        _customs_path(found)
        source = partial(self._counted, session, partial(self._opened_customs, session, found.record.id))
        async with self.documents.open(session.parcel_key, _customs(found.record.id), source) as delivery:
            yield delivery

    @asynccontextmanager
    async def _opened_customs(self, session: Session, return_id: str) -> AsyncIterator[Document]:
        path = _customs_path(await self._read_again(session, return_id))
        async with self.sendcloud.open_customs(session.brand, path) as document:
            yield document

    async def _read_again(self, session: Session, return_id: str) -> VersionedReturn:
        """The return as it is once a download of its document has begun.

        An erasure deletes the documents whose download has begun by then; one that begins later finds it erased here.
        """
        return await self.polling.returns.get(session.parcel_key, return_id)

    async def erase(self, return_id: str) -> None:
        """Deletes what is kept of the documents of a return."""
        for name in (return_id, _customs(return_id)):
            await self.documents.erase(name)

    @asynccontextmanager
    async def _counted(self, session: Session, source: Source) -> AsyncIterator[Document]:
        """The document from the upstream, counted as a call of the parcel; a kept document costs none."""
        await self.parcel_limit.spend(session.parcel_key)
        async with source() as document:
            yield document


def _download_token(found: VersionedReturn) -> str:
    if found.record.download_token is not None:
        return found.record.download_token
    if found.retry_after is None:
        raise NoLabel(f"the return is {found.record.state}")
    raise LabelNotReady("still pending", retry_after=found.retry_after)


def _customs_path(found: VersionedReturn) -> str:
    if found.record.customs_path is None:
        raise CustomsDeclarationNotFound(f"the return is {found.record.state}")
    return found.record.customs_path


def _customs(return_id: str) -> str:
    """The name of a customs declaration."""
    return f"{return_id}-customs"
