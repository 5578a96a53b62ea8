"""The proof that a creation was never sent."""

from collections.abc import Awaitable, Callable, Mapping


class SendTracker:
    """Follows a creation on its way, by httpx's `trace` extension.

    Only observed steps count: a transport that shows nothing proves nothing.
    """

    def __init__(self, before_first_byte: Callable[[], Awaitable[None]]) -> None:
        self._before_first_byte = before_first_byte
        self._saw_something = False
        self.saw_it_leave = False
        self.refusal: Exception | None = None
        """Why `before_first_byte` did not let it leave."""

    async def __call__(self, event: str, info: Mapping[str, object]) -> None:
        """Notes an event; before the one that starts the sending, the caller can record "sent"."""
        self._saw_something = True
        if not event.endswith("send_request_headers.started") or _opens_tunnel(info):
            return
        try:
            await self._before_first_byte()
        except Exception as error:
            self.refusal = error
            raise
        self.saw_it_leave = True

    @property
    def proves_never_sent(self) -> bool:
        """Whether the transport was working and had not begun to send."""
        return self._saw_something and not self.saw_it_leave


def _opens_tunnel(info: Mapping[str, object]) -> bool:
    """Whether a proxy alone is spoken to, which learns the upstream's name and nothing else."""
    return getattr(info.get("request"), "method", None) == b"CONNECT"
