"""E3: image files in a multipart body (openapi/sendcloud.yaml); what is refused, and how, is our own choice."""

import hashlib
import re

from app.sandbox.answers import Refused
from app.sandbox.brands import Json

MAX_FILES = 10
MAX_FILE_BYTES = 10_000_000
IMAGE = re.compile(rb"\xff\xd8\xff|\x89PNG\r\n|GIF8[79]a|RIFF....WEBP|....ftyp(?:heic|heix|mif1|avif)", re.DOTALL)
BOUNDARY = re.compile(r'multipart/form-data;.*boundary="?([^";]+)', re.IGNORECASE)
FIELD_NAME = re.compile(rb'content-disposition:[^\r\n]*[ ;]name="([^"]*)"', re.IGNORECASE)


def take(content_type: str, body: bytes) -> list[Json]:
    """The stored files as E3 answers them; `Refused` (400) for a body that is not up to ten images."""
    boundary = BOUNDARY.match(content_type)
    if boundary is None:
        raise Refused(400, "invalid_upload", "A multipart/form-data body is needed.")
    # The first boundary has no line break of its own before it.
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary[1].encode())[1:-1]
    if not 1 <= len(parts) <= MAX_FILES:
        raise Refused(400, "invalid_upload", "Between one and ten files are needed.")
    return [_stored(part) for part in parts]


def _stored(part: bytes) -> Json:
    head, _, content = part.partition(b"\r\n\r\n")
    name = FIELD_NAME.search(head)
    if name is None or len(content) >= MAX_FILE_BYTES or not IMAGE.match(content):
        raise Refused(400, "invalid_upload", "Every file must be a named image under 10 MB.")
    filename = f"{hashlib.sha256(content).hexdigest()[:32]}.webp"
    return {"filename": filename, "name": name[1].decode(), "path": f"https://cdn.example/link/{filename}"}
