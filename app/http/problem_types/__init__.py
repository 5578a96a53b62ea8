"""The table of problem types (RFC 9457): what each class of errors becomes. `make docs` makes docs/problems from it."""

from collections.abc import Mapping
from types import MappingProxyType

from app.errors import BffError, InternalError
from app.http.problem_types.access import ACCESS
from app.http.problem_types.problem_type import ProblemType
from app.http.problem_types.requests import REQUESTS
from app.http.problem_types.returns import RETURNS
from app.http.problem_types.service import GATEWAY, SERVICE

__all__ = ["ALL_PROBLEM_TYPES", "PROBLEM_TYPES", "ProblemType", "problem_type_of"]

PROBLEM_TYPES: Mapping[type[BffError], ProblemType] = MappingProxyType({**REQUESTS, **ACCESS, **RETURNS, **SERVICE})
ALL_PROBLEM_TYPES: Mapping[str, ProblemType] = MappingProxyType(
    {kind.code: kind for kind in sorted({*PROBLEM_TYPES.values(), *GATEWAY}, key=lambda kind: (kind.status, kind.code))}
)
"""Every problem type by its code, in the order of the documents."""


def problem_type_of(error_type: type[BffError]) -> ProblemType:
    """The problem type of this class of errors: its own row, or that of its nearest base class."""
    return next(
        (PROBLEM_TYPES[each] for each in error_type.__mro__ if each in PROBLEM_TYPES), PROBLEM_TYPES[InternalError]
    )
