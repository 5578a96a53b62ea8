"""A connection to a Redis server: many may ask over it at once, and each gets its own replies."""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from hiredis import Reader, pack_command
from redis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    InvalidResponse,
    MasterDownError,
    MovedError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as ConnectionFailed
from typing_extensions import override

TIMEOUT_SECONDS = 0.25
"""The limit of each step: connecting, the handshake, an exchange."""
TICK_SECONDS = TIMEOUT_SECONDS / 10

Argument = str | int | bytes
Command = Sequence[Argument]
Reply = object
"""A reply of the server: bytes, numbers, lists of them, None, or an error."""
Stated = Any
"""A reply that is not an error; its form depends on the command."""
Hear = Callable[[Reply], None]
"""Gets what the server says unasked, and the error with which the connection ends."""

_ERRORS: Mapping[str, type[RedisError]] = MappingProxyType(
    {
        "ASK": AskError,
        "CLUSTERDOWN": ClusterDownError,
        "LOADING": BusyLoadingError,
        "MASTERDOWN": MasterDownError,
        "MOVED": MovedError,
        "NOAUTH": AuthenticationError,
        "NOSCRIPT": NoScriptError,
        "OOM": OutOfMemoryError,
        "READONLY": ReadOnlyError,
        "WRONGPASS": AuthenticationError,
    }
)
"""The errors that we tell apart, by their codes; any other is a plain `ResponseError`."""
_NO_ROOM = "ERR max number of clients reached"
"""The server closes the connection."""


class Server(NamedTuple):
    """The address of a server: host and port, or the path of a socket; the user, and how TLS is spoken, if it is."""

    host: str
    port: int = 0
    username: str | None = None
    password: str | None = None
    db: int = 0
    tls: ssl.SSLContext | None = None

    @property
    def greeting(self) -> list[Command]:
        """What a new connection says first."""
        user = [self.username] if self.username else []
        login: list[Command] = [("AUTH", *user, self.password or "")] if user or self.password else []
        return [*login, ("SELECT", self.db)] if self.db else login


@dataclass(slots=True)
class _Question:
    """The replies to one caller's commands so far; they must all be there by the tick `until`."""

    expected: int
    until: int
    answer: asyncio.Future[list[Reply]]
    replies: list[Reply] = field(default_factory=list)


class Connection(asyncio.Protocol):
    """An open connection; `server.opened` makes one.

    One timer serves all questions. A loop that comes back from a stall runs its timers before it reads its sockets, so
    a question is late only after several ticks, of which a stall uses up one.
    """

    def __init__(self, hear: Hear | None = None) -> None:
        self._hear = hear
        self._loop = asyncio.get_running_loop()
        self._reader = Reader(protocolError=InvalidResponse, replyError=error_of)
        self._questions: deque[_Question] = deque()
        self._unsent: list[bytes | memoryview] = []
        self._ticks = 0
        self._timer: asyncio.TimerHandle | None = None
        self._error: Exception | None = None

    @property
    def is_open(self) -> bool:
        """Whether it can still be used."""
        return self._error is None

    @property
    def is_busy(self) -> bool:
        """Whether replies are still to come."""
        return bool(self._questions)

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def ask(
        self, packed: bytes | memoryview, expected: int, seconds: float = TIMEOUT_SECONDS
    ) -> asyncio.Future[list[Reply]]:
        """The replies to these commands, error replies among them.

        A caller that does not wait for them leaves the others theirs. Callers with different `seconds` cannot share.

        Raises:
            RedisError, TimeoutError: there is no reply; the connection is closed.
        """
        question = _Question(expected, self._ticks + 1 + round(seconds / TICK_SECONDS), self._loop.create_future())
        if self._error:
            question.answer.set_exception(self._error)
            return question.answer
        self._questions.append(question)
        self._timer = self._timer or self._loop.call_later(TICK_SECONDS, self._tick)
        if not self._unsent:
            self._loop.call_soon(self._send)
        self._unsent.append(packed)
        return question.answer

    def close(self, error: Exception | None = None) -> None:
        """Closes it at once; those who wait get the error."""
        if self._error:
            return
        self._error = error or ConnectionFailed("closed")
        self._transport.abort()
        while self._questions:
            answer = self._questions.popleft().answer
            if not answer.done():
                answer.set_exception(self._error)
        if self._hear:
            self._hear(self._error)

    @override
    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            while self.is_open and (reply := self._reader.gets()) is not False:
                self._take(reply)
        except RedisError as error:
            self.close(error)
        except Exception as error:  # noqa: BLE001  whatever a reply does to its reader, no caller may wait for ever
            self.close(ConnectionFailed(type(error).__name__))

    @override
    def connection_lost(self, error: Exception | None) -> None:
        self.close(ConnectionFailed(type(error).__name__))

    def _send(self) -> None:
        """Sends what was asked in one turn of the event loop."""
        # One write for all: uvloop makes a system call of each, and the server reads and answers each alone.
        if self.is_open:
            self._transport.writelines(self._unsent)
        self._unsent.clear()

    def _take(self, reply: Reply) -> None:
        if isinstance(reply, ConnectionFailed):
            # It says that the server does not serve us.
            raise reply
        if self._questions:
            self._answer(self._questions[0], reply)
        elif self._hear:
            self._hear(reply)
        else:
            raise InvalidResponse("a reply to nothing")

    def _answer(self, question: _Question, reply: Reply) -> None:
        question.replies.append(reply)
        if len(question.replies) == question.expected:
            self._questions.popleft()
            if not question.answer.done():
                question.answer.set_result(question.replies)

    def _tick(self) -> None:
        self._ticks += 1
        self._timer = self._loop.call_later(TICK_SECONDS, self._tick) if self._questions else None
        if self._questions and self._questions[0].until <= self._ticks:
            self.close(TimeoutError())


def packed(commands: Sequence[Command]) -> bytes:
    """The commands as they are sent.

    Raises:
        TypeError: Redis does not take such an argument.
    """
    try:
        # The library's stub knows tuples of one argument.
        return b"".join(pack_command(tuple(command)) for command in commands)  # type: ignore[arg-type]
    except (TypeError, UnicodeError) as error:
        # `from None`: the cause may quote the argument.
        raise TypeError(f"no argument for Redis: {type(error).__name__}") from None


def error_of(text: str) -> RedisError:
    """The error that a server's error reply stands for."""
    code, _, rest = text.partition(" ")
    kind = _ERRORS.get(code)
    return kind(rest) if kind else ConnectionFailed(code) if text == _NO_ROOM else ResponseError(text)
