"""The route that stores pictures for a return."""

import asyncio
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import APIRouter, Depends, Request

from app.errors import (
    FileTooLarge,
    InvalidRequest,
    MalformedRequest,
    NotAnImage,
    OriginNotAllowed,
    TooManyCalls,
    TooManyFiles,
    UnsupportedMediaType,
    UploadsBusy,
    UploadTooSlow,
)
from app.http.answers.openapi import SESSION, UPSTREAM, responses
from app.models.returns import Upload, Uploads
from app.redis.limits.rate_limits import ParcelLimit, PerParcelLimit
from app.services import service
from app.sessions.dependencies import SessionDep, SessionIdDep
from app.uploads.handles import handle
from app.uploads.multipart import MAX_FILES, received
from app.upstream import Upstream

router = APIRouter(tags=["returns"])

PATH = "/v1/uploads"
UPLOADS_AT_ONCE = 4
UPLOADS_OF_ONE_PARCEL = 1
UPLOAD_CALLS = 6
"""An upload counts as so many calls, because the upstream accepts ten times as many GETs as POSTs."""
RETRY_AFTER_SECONDS = 5
FORM = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["photos"],
                "properties": {
                    "photos": {
                        "type": "array",
                        "description": "JPEG, PNG, WebP, GIF or HEIC files, each under 10 MB.",
                        "items": {"type": "string", "format": "binary"},
                        "minItems": 1,
                        "maxItems": MAX_FILES,
                    }
                },
            }
        }
    },
}


@dataclass(frozen=True)
class UploadServices:
    """The objects that the route needs."""

    sendcloud: Upstream
    parcel_limit: ParcelLimit
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(UPLOADS_AT_ONCE))
    """Each upload holds up to 100 MB of the temporary directory."""
    places: PerParcelLimit = field(default_factory=lambda: PerParcelLimit(UPLOADS_OF_ONE_PARCEL))


UploadServicesDep = Annotated[UploadServices, Depends(service(UploadServices))]


@router.post(
    PATH,
    operation_id="uploadPhotos",
    status_code=201,
    openapi_extra={"requestBody": FORM},
    responses=responses(
        *SESSION,
        OriginNotAllowed,
        MalformedRequest,
        TooManyCalls,
        UploadTooSlow,
        FileTooLarge,
        TooManyFiles,
        UnsupportedMediaType,
        NotAnImage,
        InvalidRequest,
        UploadsBusy,
        *UPSTREAM,
    ),
)
async def upload_photos(
    request: Request,
    session: SessionDep,
    session_id: SessionIdDep,
    services: UploadServicesDep,
) -> Uploads:
    """Stores pictures and gives the handles by which `photos` of a return in this session names them."""
    with services.places.place(session.parcel_key):
        if services.slots.locked():
            raise UploadsBusy(retry_after=RETRY_AFTER_SECONDS)
        async with services.slots, received(request) as files:
            await services.parcel_limit.spend(session.parcel_key, UPLOAD_CALLS)
            pictures = [file.picture() for file in files]
            stored = await services.sendcloud.upload(session.brand, session.access_token, pictures)
            names = [file.name for file in files]
    made = [handle(session_id, filename) for filename in stored]
    return Uploads(uploads=[Upload(file=each, name=name) for each, name in zip(made, names, strict=True)])
