"""The peer as FastAPI and httpx are commonly put together.

Environment: PORT, REDIS_URL, UPSTREAM (a base URL), SERVICE_POINTS (another, if points are elsewhere), POLL_SECONDS.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse
from pydantic import TypeAdapter
from redis.asyncio import Redis

from bench.beside.fastapi_peer import portal, returns, sessions
from bench.beside.fastapi_peer.labels import Labels
from bench.beside.fastapi_peer.points import Point, Points, UpstreamPoint, enriched, placed
from bench.beside.fastapi_peer.returns import ReturnDep
from bench.beside.fastapi_peer.sessions import FullSessionDep, SessionDep

RADIUS_METRES = 5_000
AVAILABILITY, POINTS = TypeAdapter(bool), TypeAdapter(list[UpstreamPoint])
POINTS_URL = os.environ.get("SERVICE_POINTS", os.environ["UPSTREAM"])


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Makes both clients at the start."""
    async with httpx.AsyncClient(base_url=os.environ["UPSTREAM"]) as http:
        app.state.http, app.state.redis = http, Redis.from_url(os.environ["REDIS_URL"])
        app.state.labels = Labels(http)
        yield
        await app.state.redis.aclose()


app = FastAPI(lifespan=lifespan)
for part in (portal, sessions, returns):
    app.include_router(part.router)


@app.get("/v1/service-points")
async def search(request: Request, session: FullSessionDep) -> Points:
    """The points around the shopper."""
    http: httpx.AsyncClient = request.app.state.http
    parcel = session.outgoing.data.parcel
    asked = parcel.to_coordinates.model_dump() | {"country": parcel.country.iso_2, "radius": RADIUS_METRES}
    token = {"access_token": session.outgoing.service_points_token}
    answer = await http.get(f"{POINTS_URL}/service-points", params=asked | token)
    if answer.status_code != httpx.codes.OK:
        raise HTTPException(502)
    return Points(service_points=[placed(each) for each in POINTS.validate_python(answer.json())])


@app.get("/v1/service-points/{point_id}")
async def service_point(point_id: int, request: Request, session: SessionDep) -> Point:
    """One point as it is now, and whether it takes parcels."""
    http: httpx.AsyncClient = request.app.state.http
    token = {"access_token": session.outgoing.service_points_token}
    answers = await asyncio.gather(
        http.get(f"{POINTS_URL}/service-points/{point_id}", params=token),
        http.get(f"{POINTS_URL}/service-points/{point_id}/check-availability", params=token),
    )
    if any(answer.status_code != httpx.codes.OK for answer in answers):
        raise HTTPException(502)
    point, available = answers
    return enriched(
        UpstreamPoint.model_validate(point.json()), available=AVAILABILITY.validate_python(available.json())
    )


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
