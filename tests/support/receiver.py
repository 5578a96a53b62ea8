"""A shop's endpoint for events: it keeps what was posted, and answers as the test says."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook

SECRETS = ("whsec_" + "c2VjcmV0IG51bWJlciBvbmUh" * 2, "whsec_" + "c2VjcmV0IG51bWJlciB0d28h" * 2)
"""The present secret of a shop and its next one."""


@dataclass(frozen=True)
class Post:
    """An event as it was posted."""

    headers: dict[str, str]
    body: str

    @property
    def event_id(self) -> str:
        """The id of the event."""
        return self.headers["webhook-id"]

    def verified(self, secret: str = SECRETS[0]) -> Any:
        """The event, once the public verifier has accepted it."""
        return Webhook(secret).verify(self.body, self.headers)


async def taken(_: Post) -> int:
    """The status of an endpoint that takes every event."""
    return 204


@dataclass
class Receiver:
    """A running endpoint."""

    port: int = 0
    posts: list[Post] = field(default_factory=list)
    answer: Callable[[Post], Awaitable[int]] = taken

    @property
    def url(self) -> str:
        """Where it takes events."""
        return f"http://127.0.0.1:{self.port}/events"

    async def handle(self, request: web.Request) -> web.Response:
        """Keeps one event."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        post = Post(headers, (await request.read()).decode())
        self.posts.append(post)
        return web.Response(status=await self.answer(post), headers={"location": "/elsewhere"}, text="x" * 1000)

    @property
    def ids(self) -> list[str]:
        """The ids of the events in the order in which they came."""
        return [post.event_id for post in self.posts]


@asynccontextmanager
async def running_receiver() -> AsyncIterator[Receiver]:
    """An endpoint on this machine."""
    receiver = Receiver()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", receiver.handle)
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.port = runner.addresses[0][1]
    try:
        yield receiver
    finally:
        await runner.cleanup()


def shops_entry(brand: str, url: str, *, private: bool = True, contact: bool = False) -> str:
    """The entry of a shop that takes events at this address, for the file of shops."""
    keys = ", ".join(f'"{secret}"' for secret in SECRETS)
    asked = "contact = true\n" if contact else ""
    return f'[shops.{brand}.events]\nurl = "{url}"\nsecrets = [{keys}]\nprivate = {str(private).lower()}\n{asked}'
