"""Our own world: the terms in which the service thinks."""

from pydantic import (
    BaseModel,
    ConfigDict,
)
from typing_extensions import override


class RedactedModel(BaseModel):
    """Everything that crosses the border to the upstream: frozen, and silent in logs and tracebacks."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        allow_inf_nan=False,
        coerce_numbers_to_str=True,
        hide_input_in_errors=True,
        serialize_by_alias=True,
        validate_by_name=True,
        validate_by_alias=True,
    )

    @override
    def __repr_args__(self) -> list[tuple[str | None, object]]:
        return []
