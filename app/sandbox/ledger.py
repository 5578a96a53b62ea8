"""The sandbox's memory: every request it saw, every return it made, every file it took."""

import time
from collections import defaultdict, deque
from dataclasses import asdict, dataclass, field

from app.sandbox.brands import Json
from app.sandbox.orders import Order

KEPT_REQUESTS = 100_000
FIRST_RETURN = 4_200_001


@dataclass
class Entry:
    """One request as the ledger shows it, without personal data and tokens."""

    n: int
    kind: str
    brand: str | None
    method: str
    status: int | None = None
    """None as long as no complete head was sent."""
    order: str | None = None
    return_id: int | None = None
    created: bool = False
    """Whether this request made a return."""
    body: Json | None = None
    at: float = field(default_factory=time.monotonic)
    """When it came, in seconds on the sandbox's own clock."""


@dataclass
class Return:
    """One return; `polls` and `downloads` count what was asked for so far."""

    id: int
    order: Order
    delivery_option: str
    collo_count: int
    units: int
    """Of all its products."""
    paid: bool
    polls: int = 0
    downloads: int = 0

    @property
    def parcels(self) -> list[int]:
        """Ids of the incoming parcels, one for each collo."""
        return [self.id * 100 + collo for collo in range(1, self.collo_count + 1)]

    @property
    def tracking_numbers(self) -> list[str]:
        """One for each collo."""
        return [f"3SSBX{parcel}" for parcel in self.parcels]

    def belongs_to(self, brand: str, order: str) -> bool:
        """Whether it is a return of this order of this brand."""
        return (self.order.brand.domain, self.order.number) == (brand, order)

    def next_status(self) -> int:
        """The status of the next poll: always 202 in store and while unpaid, otherwise as the scenario says."""
        if not self.paid or self.delivery_option == "in_store":
            return 202
        script = self.order.scenario.polls
        status = script[min(self.polls, len(script) - 1)]
        self.polls += 1
        return status


@dataclass
class Ledger:
    """The state that both listeners share."""

    # Bounded, because soak runs send millions of requests.
    requests: deque[Entry] = field(default_factory=lambda: deque(maxlen=KEPT_REQUESTS))
    returns: dict[int, Return] = field(default_factory=dict)
    files: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Uploaded file names by brand."""
    _seen: int = 0

    def enter(self, kind: str, brand: str | None, method: str) -> Entry:
        """A new entry, already in the ledger."""
        self._seen += 1
        entry = Entry(self._seen, kind, brand, method)
        self.requests.append(entry)
        return entry

    def units_returned(self, order: Order) -> int:
        """How many units of the order came back, if the order is one that counts them down."""
        if not order.scenario.counts_down:
            return 0
        return sum(made.units for made in self.returns.values() if made.order == order)

    def make_return(self, order: Order, delivery_option: str, collo_count: int, units: int) -> Return:
        """A new return with the next number; nothing has to be paid to a shop that charges nothing."""
        paid = not order.scenario.paid or order.brand.returns_are_free
        made = Return(FIRST_RETURN + len(self.returns), order, delivery_option, collo_count, units, paid=paid)
        self.returns[made.id] = made
        return made

    def pay(self, brand: str, order: str) -> int:
        """Mark every return of this order paid; how many there are."""
        chosen = [made for made in self.returns.values() if made.belongs_to(brand, order)]
        for made in chosen:
            made.paid = True
        return len(chosen)

    def matching(self, **wanted: str) -> list[Json]:
        """The entries whose fields have these values, oldest first."""
        return [asdict(entry) for entry in self.requests if wanted.items() <= vars(entry).items()]
