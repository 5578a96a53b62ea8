"""The peer as FastAPI and httpx are commonly put together. Environment: PORT, REDIS_URL, UPSTREAM (a base URL)."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import httpx
import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, TypeAdapter
from redis.asyncio import Redis

from bench.beside.fastapi_peer.labels import Labels
from bench.beside.fastapi_peer.points import Point, UpstreamPoint, enriched


class Outgoing(BaseModel):
    """What is needed of the lookup's answer."""

    service_points_token: str


class Session(BaseModel):
    """What a shopper proved a right to."""

    brand: str
    parcel: str
    outgoing: Outgoing


class Return(BaseModel):
    """What is needed of a return."""

    state: str
    download_token: str = ""
    poller_token: str = ""


AVAILABILITY = TypeAdapter(bool)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Makes both clients at the start."""
    async with httpx.AsyncClient(base_url=os.environ["UPSTREAM"]) as http:
        app.state.http, app.state.redis = http, Redis.from_url(os.environ["REDIS_URL"])
        app.state.labels = Labels(http)
        yield
        await app.state.redis.aclose()


app = FastAPI(lifespan=lifespan)


async def current_session(request: Request, authorization: Annotated[str, Header()] = "") -> Session:
    """The session of the bearer token."""
    kept = await request.app.state.redis.get(f"session:{authorization.removeprefix('Bearer ')}")
    if kept is None:
        raise HTTPException(401)
    return Session.model_validate_json(kept)


SessionDep = Annotated[Session, Depends(current_session)]


@app.get("/v1/service-points/{point_id}")
async def service_point(point_id: int, request: Request, session: SessionDep) -> Point:
    """One point as it is now, and whether it takes parcels."""
    http: httpx.AsyncClient = request.app.state.http
    token = {"access_token": session.outgoing.service_points_token}
    answers = await asyncio.gather(
        http.get(f"/service-points/{point_id}", params=token),
        http.get(f"/service-points/{point_id}/check-availability", params=token),
    )
    if any(answer.status_code != httpx.codes.OK for answer in answers):
        raise HTTPException(502)
    point, available = answers
    return enriched(
        UpstreamPoint.model_validate(point.json()), available=AVAILABILITY.validate_python(available.json())
    )


async def current_return(return_id: str, request: Request, session: SessionDep) -> Return:
    """The return of the path, if it is of the session's parcel."""
    kept = await request.app.state.redis.get(f"return:{session.parcel}:{return_id}")
    if kept is None:
        raise HTTPException(404)
    return Return.model_validate_json(kept)


ReturnDep = Annotated[Return, Depends(current_return)]


@app.get("/v1/returns/{return_id}/label")  # noqa: FAST003  current_return reads it
async def label(request: Request, session: SessionDep, found: ReturnDep) -> StreamingResponse:
    """Streams the PDF from the upstream."""
    path = f"/brand/{session.brand}/return-portal/label/download"
    http: httpx.AsyncClient = request.app.state.http
    asked = http.build_request("GET", path, params={"token": found.download_token})
    answer = await http.send(asked, stream=True)
    if answer.status_code != httpx.codes.OK:
        await answer.aclose()
        raise HTTPException(502)
    return StreamingResponse(_pieces(answer), media_type="application/pdf")


@app.get("/v1/returns/{return_id}/events")  # noqa: FAST003  as above
async def events(request: Request, session: SessionDep, found: ReturnDep) -> StreamingResponse:
    """Tells when the label is there."""
    labels: Labels = request.app.state.labels

    async def told() -> AsyncIterator[str]:
        yield f'data: {{"state":"{found.state}"}}\n\n'
        await labels.ready(session.brand, found.poller_token)
        yield 'data: {"state":"label_ready"}\n\n'

    return StreamingResponse(told(), media_type="text/event-stream")


async def _pieces(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for piece in answer.aiter_bytes():
            yield piece
    finally:
        await answer.aclose()


@app.get("/livez")
async def livez() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ["PORT"]), access_log=False, log_level="warning")
