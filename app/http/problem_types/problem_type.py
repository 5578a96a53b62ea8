"""One row of the table of problem types."""

from http import HTTPStatus
from typing import NamedTuple


class ProblemType(NamedTuple):
    """The public face of one class of errors."""

    code: str
    status: HTTPStatus
    title: str
    detail: str
    """What helps."""
    when: str
    """When it happens, for front-end developers; only on its page."""
    front_end: str
    """Advice for front ends; only on its page."""
    retryable: bool = False
