"""What a shop's own systems are told about events that were given up."""

from datetime import datetime

from app.models.fields import Answer


class DeadEvent(Answer):
    """An event that the shop's endpoint did not take."""

    id: str
    """The `webhook-id` of the event."""
    return_id: str
    """The `id` of the return that it tells of."""
    type: str
    """What happened, such as `return.created`."""
    given_up_at: datetime
    """When it was given up; it is kept for seven days from then on."""


class DeadEvents(Answer):
    """Events that were given up."""

    events: list[DeadEvent]
    """The oldest 100 of them, the oldest first."""


class ResentEvents(Answer):
    """Events that are sent again."""

    count: int
    """How many there are."""
