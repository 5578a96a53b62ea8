"""The one table of problems: which class of errors looks how outside. docs/problems is made from it (`make docs`)."""

from collections.abc import Mapping
from types import MappingProxyType

from app.api.kinds.access import ACCESS
from app.api.kinds.kind import Kind
from app.api.kinds.requests import REQUESTS
from app.api.kinds.returns import RETURNS
from app.api.kinds.service import GATEWAY, SERVICE
from app.errors import BffError, InternalError

__all__ = ["ALL_KINDS", "KINDS", "Kind", "kind_of"]

KINDS: Mapping[type[BffError], Kind] = MappingProxyType({**REQUESTS, **ACCESS, **RETURNS, **SERVICE})
ALL_KINDS: Mapping[str, Kind] = MappingProxyType(
    {kind.code: kind for kind in sorted({*KINDS.values(), *GATEWAY}, key=lambda kind: (kind.status, kind.code))}
)
"""Every problem there is, by its code, in the order of the documents."""


def kind_of(error_type: type[BffError]) -> Kind:
    """How this class of errors looks outside: its own row, or that of the nearest class above it."""
    return next((KINDS[each] for each in error_type.__mro__ if each in KINDS), KINDS[InternalError])
