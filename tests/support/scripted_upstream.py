"""An upstream that says exactly what it is told to: for data that no well-meaning stand-in would make up."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import jwt

from tests.support import samples
from tests.support.processes import LOCAL
from tests.support.raw_server import Behaviour, answer, raw_server

PORTAL = "http://portal.invalid"
"""Stands for the URL of the asking brand's portal in scripted answers."""
_KEY = "0123456789abcdef0123456789abcdef"
_HOUR = 3600


class Heard(NamedTuple):
    """A request as it arrived; header names in lower case, values of the query as lists."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes


Reaction = Callable[[Heard], Behaviour]
"""What to do about a request."""


@dataclass
class ScriptedUpstream:
    """What it heard, and what it says by the last part of the path: `return-portal`, `outgoing`, `incoming`, ..."""

    port: int = 0
    heard: list[Heard] = field(default_factory=list)
    _reactions: dict[str, Reaction] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Base for `BFF_UPSTREAM_URL` and `BFF_SERVICE_POINTS_URL`."""
        return f"http://{LOCAL}:{self.port}/api/v2"

    def do(self, **calls: Reaction) -> None:
        """From now on these calls meet these reactions."""
        self._reactions |= {call.replace("_", "-"): reaction for call, reaction in calls.items()}

    def say(self, **calls: object) -> None:
        """From now on these calls are answered so: bytes as they are, anything else as JSON."""
        for call, said in calls.items():
            self.do(**{call: partial(self._answer, said if isinstance(said, bytes) else body(said))})

    def requests_for(self, call: str) -> list[Heard]:
        """The requests of this call so far."""
        return [each for each in self.heard if each.path.endswith(f"/{call}")]

    def answer_to(self, request: bytes) -> Behaviour:
        """The reaction to this call; 404 where there is none."""
        here = _parsed(request)
        self.heard.append(here)
        reaction = self._reactions.get(here.path.rpartition("/")[2])
        return reaction(here) if reaction else answer(404)

    def _answer(self, said: bytes, here: Heard) -> Behaviour:
        portal = f"http://{LOCAL}:{self.port}{here.path.partition('/return-portal')[0]}/return-portal"
        return answer(200, said.replace(PORTAL.encode(), portal.encode()))


@asynccontextmanager
async def scripted_upstream() -> AsyncIterator[ScriptedUpstream]:
    """A running one that sells the shirts of `samples` and makes a label at once."""
    here = ScriptedUpstream()

    async def behave(writer: asyncio.StreamWriter) -> None:
        await here.answer_to(server.requests[-1])(writer)

    async with raw_server(behave) as server:
        here.port = server.port
        here.say(return_portal=settings(), outgoing=outgoing(), service_points=[], check_availability=True)
        here.say(incoming=created(), polling=label(), download=b"%PDF-1.7\n%%EOF\n")
        yield here


def always(behaviour: Behaviour) -> Reaction:
    """The same answer to every request."""
    return lambda _: behaviour


def body(said: object) -> bytes:
    """This as JSON."""
    return json.dumps(said).encode()


def _parsed(request: bytes) -> Heard:
    head, _, content = request.partition(b"\r\n\r\n")
    first, *fields = head.decode().split("\r\n")
    method, target, _ = first.split(" ")
    named = (each.partition(": ") for each in fields)
    headers = {name.lower(): value for name, _, value in named}
    return Heard(method, urlsplit(target).path, parse_qs(urlsplit(target).query), headers, content)


def token(name: str) -> str:
    """A token that is good for an hour; `name` keeps it apart from others."""
    return jwt.encode({"name": name, "exp": int(time.time()) + _HOUR}, _KEY)


def settings(**portal: object) -> dict[str, Any]:
    """E1 of a shop that offers everything; `portal` replaces members."""
    said: dict[str, Any] = samples.portal_settings()
    said["portal"] |= portal
    return said


def outgoing(parcel: Mapping[str, object] = samples.UNCHANGED, **data: object) -> dict[str, Any]:
    """E2 of the sample's parcel; `data` replaces what stands beside the parcel."""
    said: dict[str, Any] = samples.outgoing()
    said["data"]["parcel"] |= {"to_coordinates": {"latitude": 51.44, "longitude": 5.47}} | dict(parcel)
    said["data"] |= data
    return said | {"access_token": token("access"), "service_points_token": token("points")}


def created(**changes: object) -> dict[str, Any]:
    """E4 of one parcel."""
    said = {"return": 1, "incoming_parcels": [2], "poller_url": f"{PORTAL}/label/polling?token={token('poller')}"}
    return said | changes


def label(**changes: object) -> dict[str, Any]:
    """E5 of a label that is ready."""
    said = {"return": 1, "parcels": [2], "tracking_numbers": ["3S2"]}
    return said | {"download_url": f"{PORTAL}/label/download?token={token('download')}"} | changes
