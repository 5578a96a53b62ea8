"""How the returns of a parcel stand in Redis: the keys of its slot, the form of what they hold, and how long they live.

All keys of a parcel share one hash slot, so that one commit changes claims, records and keys together.
"""

from collections.abc import Mapping
from math import ceil

from pydantic import TypeAdapter

from app.domain import Units
from app.redis.derived_values import DerivedValues
from app.redis.encryption import Keyring, parsing
from app.redis.store import ANY, Change, Versioned
from app.returns.claims import Claim, expire_leases, limited, units_held
from app.returns.fingerprints import Fingerprints
from app.returns.records import KeyRecord, ReturnRecord, VersionedReturn

SCHEMA = 1
OPENED_RECORDS = 512
"""How many stay parsed in memory, each with the bytes it was parsed from."""

_CLAIMS: TypeAdapter[dict[str, Claim]] = TypeAdapter(dict[str, Claim])
_FIRST_SEEN: TypeAdapter[dict[str, int]] = TypeAdapter(dict[str, int])


class ParcelLayout:
    """What is stored for a parcel, from the objects of this service to the bytes in Redis and back.

    `return_ttl`, `claim_ttl` and `lease` are seconds.
    """

    def __init__(self, keyring: Keyring, return_ttl: int, claim_ttl: int, lease: float) -> None:
        self.lease = lease
        self._keyring = keyring
        self._return_ttl = return_ttl
        self._claim_ttl = claim_ttl
        self._records: DerivedValues[tuple[str, str], ReturnRecord] = DerivedValues(OPENED_RECORDS)
        self._claims: DerivedValues[str, Mapping[str, Claim]] = DerivedValues(OPENED_RECORDS)

    @property
    def whole_life(self) -> int:
        """Seconds that a new key and its return live: as long as their claim, which takes its lease at most twice."""
        return self.claim_life(0)

    def claim_life(self, age: int) -> int:
        """Seconds that are left of the whole life of a return that was created `age` seconds ago, at least one."""
        return max(1, self._claim_ttl + ceil(2 * self.lease) - age)

    # Claims

    def standing(self, kept: Versioned, now: float) -> dict[str, Claim]:
        """The stored claims that have not ended, after every lease that passed was ended."""
        return expire_leases(self.unended(loaded_claims(kept), now), now)

    def unended(self, claims: Mapping[str, Claim], now: float) -> dict[str, Claim]:
        """The claims that have not ended, each after a time of its own."""
        return {name: each for name, each in claims.items() if each.lease_until + self._claim_ttl > now}

    def remembered_claims(self, scope: str) -> Mapping[str, Claim]:
        """The claims as this process read them last; empty if it never did."""
        return self._claims.last(scope) or {}

    def remember_claims(self, scope: str, kept: Versioned) -> Mapping[str, Claim]:
        """The stored claims, parsed once for as long as they stay the same."""
        return self._claims.get(scope, kept.value, lambda: loaded_claims(kept))

    def claims_change(self, scope: str, read: Versioned, claims: dict[str, Claim], now: float) -> Change:
        """Stores these claims over the ones that were read."""
        until = max((each.lease_until + self._claim_ttl for each in claims.values()), default=now + self.lease)
        return Change(claims_key(scope), read.revision, _CLAIMS.dump_json(claims), max(1, ceil(until - now)))

    # Units

    def named(self, scope: str, units: Units) -> dict[str, int]:
        """The units by the keyed names that claims hold."""
        by_product = {self._product(scope, product): count for product, count in units.products.items()}
        return by_product | {self._line(scope, line): count for line, count in units.lines.items()}

    def free(self, scope: str, ordered: Units, claims: Mapping[str, Claim], first_seen: Mapping[str, int]) -> Units:
        """The ordered units that no claim holds."""
        limits = limited(claims, self.named(scope, ordered), first_seen)
        held = units_held(claims)
        free = {name: limits[name] - held[name] for name in limits}
        return Units(
            {line: free[self._line(scope, line)] for line in ordered.lines},
            {product: free[self._product(scope, product)] for product in ordered.products},
        )

    def first_seen_change(self, scope: str, read: Versioned, first_seen: Mapping[str, int]) -> Change:
        """Stores how many units of each line there were at first."""
        return Change(first_seen_key(scope), read.revision, _FIRST_SEEN.dump_json(dict(first_seen)), self.whole_life)

    def _product(self, scope: str, product_id: str) -> str:
        # The name that releases before this one know, which counted by product alone.
        return self._keyring.name("line", scope, product_id)

    def _line(self, scope: str, line_id: str) -> str:
        return self._keyring.name("order line", scope, line_id)

    # Records

    def record(self, scope: str, return_id: str, kept: Versioned) -> ReturnRecord:
        """The stored record, opened once for as long as it stays the same.

        Raises:
            RecordUnreadable: none of our keys opens it, or it has another form.
        """

        def opened() -> ReturnRecord:
            with parsing():
                return ReturnRecord.loaded(self._keyring.unseal(kept.value, scope, _context(return_id)))

        return self._records.get((scope, return_id), kept.value, opened)

    def record_changes(self, scope: str, found: VersionedReturn, *, seen: bool = True) -> list[Change]:
        """Stores the record; it lives on from the last change the shopper could see, not from the last look at it.

        What was `seen` to change stands in the summary too, which lives as long as the claim.
        """
        record, age = found.record, int(found.now - found.record.updated_at)
        life = self.claim_life(int(found.now - record.created_at))
        name = record_key(scope, record.id)
        changes = [Change(name, found.version, self._sealed(scope, record), max(1, min(self._return_ttl - age, life)))]
        if seen:
            changes.append(Change(summary_key(scope, record.id), ANY, self._sealed(scope, record.summary()), life))
        return changes

    def _sealed(self, scope: str, record: ReturnRecord) -> bytes:
        return self._keyring.seal(record.dumped(), scope, _context(record.id))

    # Idempotency keys

    def used_key(self, scope: str, key: str) -> str:
        """Where it stands what this idempotency key was used for."""
        return f"p:{{{scope}}}:key:{self._keyring.name('key', scope, key)}"

    def used_change(self, scope: str, key: str, read: Versioned, use: KeyRecord) -> Change:
        """Stores what this idempotency key is used for."""
        return Change(self.used_key(scope, key), read.revision, use.model_dump_json().encode(), self.whole_life)

    def keyed(self, scope: str, fingerprints: Fingerprints) -> Fingerprints:
        """The fingerprints as they are stored: bodies are short, and a bare hash would tell a reader what they say."""
        return {version: self._keyring.name("body", scope, each) for version, each in fingerprints.items()}


def loaded_claims(kept: Versioned) -> dict[str, Claim]:
    """The stored claims, those that ended included."""
    with parsing():
        return _CLAIMS.validate_json(kept.value) if kept.revision else {}


def loaded_first_seen(kept: Versioned) -> Mapping[str, int]:
    """The stored numbers of units that there were at first, by keyed line name."""
    with parsing():
        return _FIRST_SEEN.validate_json(kept.value) if kept.revision else {}


def loaded_use(kept: Versioned) -> KeyRecord | None:
    """What the idempotency key was used for; None if it was not."""
    with parsing():
        return KeyRecord.model_validate_json(kept.value) if kept.revision else None


def without_record(scope: str, return_id: str) -> list[Change]:
    """Deletes the record and its summary."""
    return [Change(key(scope, return_id), ANY, None, 1) for key in (record_key, summary_key)]


def index_key(return_id: str) -> str:
    """Where the parcel of a return stands."""
    return f"i:{{{return_id}}}"


def claims_key(scope: str) -> str:
    """Where the claims of a parcel stand."""
    return f"p:{{{scope}}}:claim"


def first_seen_key(scope: str) -> str:
    """Where the numbers of units that there were at first stand."""
    return f"p:{{{scope}}}:seen"


def released_key(scope: str, return_id: str) -> str:
    """Where an operator's finding about a return stands."""
    return f"p:{{{scope}}}:released:{return_id}"


def record_key(scope: str, return_id: str) -> str:
    """Where a return stands."""
    return f"p:{{{scope}}}:r:{return_id}"


def summary_key(scope: str, return_id: str) -> str:
    """Where the summary of a return stands, which outlives it."""
    return f"p:{{{scope}}}:summary:{return_id}"


def _context(return_id: str) -> str:
    return f"return|{return_id}|{SCHEMA}"
