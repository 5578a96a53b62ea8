"""One row of the table of problem types."""

from http import HTTPStatus
from typing import NamedTuple


class ProblemType(NamedTuple):
    """How one class of errors looks outside."""

    code: str
    status: HTTPStatus
    title: str
    detail: str
    """What helps."""
    when: str
    """What has happened, for a front-end developer; on the page only."""
    front_end: str
    """What a front end does about it; on the page only."""
    retryable: bool = False
