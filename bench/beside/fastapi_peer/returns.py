"""Returns: checked, created at the upstream and recorded in Redis, waited for."""

import asyncio
import os
import secrets
from datetime import UTC, datetime
from typing import Annotated

import httpx
from fastapi import APIRouter, Depends, Header, HTTPException, Request, Response, status
from pydantic import BaseModel

from bench.beside.fastapi_peer.creation import NewReturn, incoming, problems_of
from bench.beside.fastapi_peer.sessions import FullSessionDep, SessionDep

POLL_SECONDS = float(os.environ.get("POLL_SECONDS", "1"))
router = APIRouter()


class Return(BaseModel):
    """What most routes need of a return."""

    state: str
    download_token: str = ""
    poller_token: str = ""


class Preview(BaseModel):
    """Whether a return could be created."""

    valid: bool
    problems: list[str]


class Record(NewReturn):
    """A return as it is kept."""

    id: str
    state: str
    created_at: datetime
    sendcloud_return_id: int
    poller_token: str
    download_token: str = ""
    tracking_numbers: list[str]


class ReturnView(NewReturn):
    """A return for a front end."""

    id: str
    state: str
    created_at: datetime
    sendcloud_return_id: int
    tracking_numbers: list[str]


async def current_return(return_id: str, request: Request, session: SessionDep) -> Return:
    """The return of the path, if it is of the session's parcel."""
    return Return.model_validate_json(await _kept(request, session.parcel, return_id))


ReturnDep = Annotated[Return, Depends(current_return)]


@router.post("/v1/returns/preview")
async def preview(wanted: NewReturn, session: FullSessionDep) -> Preview:
    """Checks against what the session knows."""
    problems = problems_of(wanted, session.outgoing.data)
    return Preview(valid=not problems, problems=problems)


@router.post("/v1/returns", status_code=status.HTTP_202_ACCEPTED)
async def create(wanted: NewReturn, request: Request, response: Response, session: FullSessionDep) -> ReturnView:
    """Creates the return at the upstream, once for each call."""
    if problems := problems_of(wanted, session.outgoing.data):
        raise HTTPException(422, problems)
    http: httpx.AsyncClient = request.app.state.http
    path = f"/brand/{session.brand}/return-portal/incoming"
    bearer = {"Authorization": f"Bearer {session.outgoing.access_token}"}
    answer = await http.post(path, json=incoming(wanted, session.outgoing.data), headers=bearer)
    if answer.status_code != httpx.codes.OK:
        raise HTTPException(502)
    made = answer.json()
    record = Record(
        **wanted.model_dump(),
        id=secrets.token_urlsafe(16),
        state="label_pending",
        created_at=datetime.now(UTC),
        sendcloud_return_id=made["return"],
        tracking_numbers=[],
        poller_token=httpx.URL(made["poller_url"]).params["token"],
    )
    await _keep(request, session.parcel, record)
    response.headers["location"] = f"/v1/returns/{record.id}"
    return ReturnView.model_validate(record.model_dump())


@router.get("/v1/returns/{return_id}")
async def wait(
    return_id: str, request: Request, session: SessionDep, prefer: Annotated[str, Header()] = ""
) -> ReturnView:
    """The return; with `Prefer: wait=10` once its label is there, or after so many seconds."""
    record = Record.model_validate_json(await _kept(request, session.parcel, return_id))
    http: httpx.AsyncClient = request.app.state.http
    path = f"/brand/{session.brand}/return-portal/label/polling"
    for _ in range(round(int(prefer.removeprefix("wait=") or 0) / POLL_SECONDS)):
        if record.state == "label_ready":
            break
        await asyncio.sleep(POLL_SECONDS)
        answer = await http.get(path, params={"token": record.poller_token})
        if answer.status_code == httpx.codes.OK:
            ready = answer.json()
            record.state, record.tracking_numbers = "label_ready", ready["tracking_numbers"]
            record.download_token = httpx.URL(ready["download_url"]).params["token"]
            await _keep(request, session.parcel, record)
    return ReturnView.model_validate(record.model_dump())


async def _kept(request: Request, parcel: str, return_id: str) -> bytes:
    kept: bytes | None = await request.app.state.redis.get(f"return:{parcel}:{return_id}")
    if kept is None:
        raise HTTPException(404)
    return kept


async def _keep(request: Request, parcel: str, record: Record) -> None:
    await request.app.state.redis.set(f"return:{parcel}:{record.id}", record.model_dump_json())
