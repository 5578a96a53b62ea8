"""Problem documents (RFC 9457), and the pages of their types."""

from pydantic import Field

from app.models.fields import Answer, ProblemError
from app.models.service_points import ServicePoint


class Problem(Answer):
    """A problem document (RFC 9457); clients decide on `code`."""

    type: str
    """The address of the page about this problem."""
    title: str
    """What went wrong, in the language that `Content-Language` names."""
    status: int
    """The HTTP status of the answer."""
    detail: str
    """What helps, in the same language."""
    instance: str
    """The path that was called."""
    code: str
    """Stable code of the problem. More codes may come."""
    retryable: bool
    """Whether the same request can succeed later."""
    request_id: str
    """To quote when you report it."""
    errors: list[ProblemError] = Field(default=[])
    """Which members of the request are wrong."""
    alternatives: list[ServicePoint] | None = None
    """Other points of the same carrier, where the chosen one is not available."""


class ProblemKind(Answer):
    """The meaning of a problem code."""

    code: str
    """As it stands in the problem."""
    status: int
    """The HTTP status of the answer."""
    title: str
    """What went wrong."""
    detail: str
    """What helps; the problem document has the same text."""
    retryable: bool
    """Whether the same request can succeed later."""
    when: str
    """When the problem happens."""
    front_end: str
    """Advice for front ends."""
    calls: list[str]
    """Method and path of the calls that name it; empty: any call may answer it."""
