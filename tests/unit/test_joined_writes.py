"""What is written to a connection in one turn of the event loop, and when it leaves."""

import asyncio
from collections.abc import Iterable

from typing_extensions import override

from app.http.joined_writes import MAX_WAITING_BYTES, JoinedWrites


class Recorder(asyncio.Transport):
    """Remembers what leaves at once."""

    def __init__(self) -> None:
        super().__init__({"peername": "peer"})
        self.left: list[bytes] = []
        self._closing = False

    @override
    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.left.append(b"".join(list_of_data))

    @override
    def is_closing(self) -> bool:
        return self._closing

    @override
    def close(self) -> None:
        self._closing = True

    abort = close


async def test_writes_of_one_turn_leave_together() -> None:
    """What is written in one turn of the loop leaves in one piece and in order, and what comes later in the next."""
    transport = Recorder()
    writes = JoinedWrites(transport)
    writes.write(b"head ")
    writes.write(memoryview(b"body"))
    assert transport.left == []
    await asyncio.sleep(0)
    writes.write(b"next")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert transport.left == [b"head body", b"next"]


async def test_much_leaves_at_once() -> None:
    """More than may wait leaves within the turn, so that a slow reader pauses the writer."""
    transport = Recorder()
    writes = JoinedWrites(transport)
    writes.write(b"head")
    writes.write(b"x" * MAX_WAITING_BYTES)
    assert [len(each) for each in transport.left] == [MAX_WAITING_BYTES + 4]


async def test_what_was_written_leaves_before_the_end() -> None:
    """A connection is closed once everything written has left; what is written to one that is closing is dropped."""
    transport = Recorder()
    writes = JoinedWrites(transport)
    writes.write(b"all")
    writes.close()
    assert (transport.left, transport.is_closing()) == ([b"all"], True)
    writes.write(b"more")
    await asyncio.sleep(0)
    assert transport.left == [b"all"]


async def test_an_aborted_connection_gets_nothing_more() -> None:
    """What waits when the connection is cut is dropped, and no fault comes of it."""
    transport = Recorder()
    writes = JoinedWrites(transport)
    writes.write(b"lost")
    writes.abort()
    await asyncio.sleep(0)
    assert transport.left == []
    assert writes.get_extra_info("peername") == "peer"


async def test_nothing_is_not_written() -> None:
    """An empty end of a body costs no system call."""
    transport = Recorder()
    JoinedWrites(transport).write(b"")
    await asyncio.sleep(0)
    assert transport.left == []
