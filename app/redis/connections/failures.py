"""Which failures are a server's, and what is said about them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import ConnectionError as ConnectionFailed
from redis.exceptions import RedisError, ResponseError

FOREIGN = (RedisError, OSError, EOFError)
"""A server or the way to it failed; anything else is a bug of ours."""

# TypeError and AttributeError: redis-py lets them out when a peer closed a connection (redis-py#4287); RuntimeError:
# uvloop, when such a connection is written to. A protocol error may surface as a ValueError or a LookupError.
_MISREAD = (TypeError, AttributeError, RuntimeError, ValueError, LookupError)

_CODE = re.compile(r"[A-Z]{4,20}")


@contextmanager
def misreads_mapped() -> Iterator[None]:
    """Turns what comes of a broken connection or an unreadable reply into a failed connection.

    For what uses a socket or reads a reply, and nothing else: elsewhere the same errors are bugs of ours.
    """
    try:
        yield
    except _MISREAD as error:
        raise ConnectionFailed(type(error).__name__) from error


def reason(error: BaseException) -> str:
    """What kind of failure it is, for logs: the name of its class, or the code with which the server refused."""
    code = str(error).partition(" ")[0]
    # Nothing else of the text: a server may quote keys and arguments.
    return code if type(error) is ResponseError and _CODE.fullmatch(code) else type(error).__name__
