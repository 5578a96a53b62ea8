"""The layout of a parcel's returns in Redis: the keys, the form of their values, and how long they live.

All keys of a parcel share one hash slot, so that one commit changes claims, records and keys together.
"""

from collections.abc import Mapping
from math import ceil

from pydantic import TypeAdapter

from app.domain import Units
from app.redis.derived_values import DerivedValues
from app.redis.encryption import Keyring, parsing
from app.redis.store import ANY, Change, Versioned
from app.returns.checks.fingerprints import Fingerprints
from app.returns.claims import Claim, expire_leases, limited, units_held
from app.returns.store.records import KeyRecord, ReturnRecord, VersionedReturn

SCHEMA = 1
OPENED_RECORDS = 512
"""How many records stay parsed in memory, each with the bytes it was parsed from."""

_CLAIMS: TypeAdapter[dict[str, Claim]] = TypeAdapter(dict[str, Claim])
_FIRST_SEEN: TypeAdapter[dict[str, int]] = TypeAdapter(dict[str, int])


class ParcelLayout:
    """Translates between the objects of this service and the bytes that Redis holds for a parcel.

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
        """Seconds that a new key and its return live: as long as their claim, whose lease begins at most twice."""
        return self.claim_life(0)

    def claim_life(self, age: int) -> int:
        """The remaining seconds of the whole life of a return that was created `age` seconds ago, at least one."""
        return max(1, self._claim_ttl + ceil(2 * self.lease) - age)

    # Claims

    def standing(self, kept: Versioned, now: float) -> dict[str, Claim]:
        """The stored claims that have not ended, with expired leases taken into account."""
        return expire_leases(self.unended(loaded_claims(kept), now), now)

    def unended(self, claims: Mapping[str, Claim], now: float) -> dict[str, Claim]:
        """The claims that have not ended; each ends by itself."""
        return {name: each for name, each in claims.items() if each.lease_until + self._claim_ttl > now}

    def remembered_claims(self, parcel_key: str) -> Mapping[str, Claim]:
        """The claims as this process read them last; empty if it never did."""
        return self._claims.last(parcel_key) or {}

    def remember_claims(self, parcel_key: str, kept: Versioned) -> Mapping[str, Claim]:
        """The stored claims, parsed only when they change."""
        return self._claims.get(parcel_key, kept.value, lambda: loaded_claims(kept))

    def claims_change(self, parcel_key: str, read: Versioned, claims: dict[str, Claim], now: float) -> Change:
        """Stores these claims over the ones that were read."""
        until = max((each.lease_until + self._claim_ttl for each in claims.values()), default=now + self.lease)
        return Change(claims_key(parcel_key), read.revision, _CLAIMS.dump_json(claims), max(1, ceil(until - now)))

    # Units

    def named(self, parcel_key: str, units: Units) -> dict[str, int]:
        """The units by the keyed names that claims hold."""
        by_product = {self._product(parcel_key, product): count for product, count in units.products.items()}
        return by_product | {self._line(parcel_key, line): count for line, count in units.lines.items()}

    def free(
        self, parcel_key: str, ordered: Units, claims: Mapping[str, Claim], first_seen: Mapping[str, int]
    ) -> Units:
        """The ordered units that no claim holds."""
        limits = limited(claims, self.named(parcel_key, ordered), first_seen)
        held = units_held(claims)
        free = {name: limits[name] - held[name] for name in limits}
        return Units(
            {line: free[self._line(parcel_key, line)] for line in ordered.lines},
            {product: free[self._product(parcel_key, product)] for product in ordered.products},
        )

    def first_seen_change(self, parcel_key: str, read: Versioned, first_seen: Mapping[str, int]) -> Change:
        """Stores the first known number of units of each line."""
        return Change(
            first_seen_key(parcel_key), read.revision, _FIRST_SEEN.dump_json(dict(first_seen)), self.whole_life
        )

    def _product(self, parcel_key: str, product_id: str) -> str:
        # The name that releases before this one know, which counted by product alone.
        return self._keyring.name("line", parcel_key, product_id)

    def _line(self, parcel_key: str, line_id: str) -> str:
        return self._keyring.name("order line", parcel_key, line_id)

    # Records

    def record(self, parcel_key: str, return_id: str, kept: Versioned) -> ReturnRecord:
        """The stored record, opened only when it changes.

        Raises:
            RecordUnreadable: none of our keys opens it, or it has another form.
        """

        def opened() -> ReturnRecord:
            with parsing():
                return ReturnRecord.loaded(self._keyring.unseal(kept.value, parcel_key, _context(return_id)))

        return self._records.get((parcel_key, return_id), kept.value, opened)

    def record_changes(self, parcel_key: str, found: VersionedReturn, *, seen: bool = True) -> list[Change]:
        """Stores the record; its life counts from the last change that the shopper could see, not from the last poll.

        A change that the shopper can see (`seen`) goes into the summary, too, which lives as long as the claim.
        """
        record, age = found.record, int(found.now - found.record.updated_at)
        life = self.claim_life(int(found.now - record.created_at))
        name = record_key(parcel_key, record.id)
        changes = [
            Change(name, found.version, self._sealed(parcel_key, record), max(1, min(self._return_ttl - age, life)))
        ]
        if seen:
            changes.append(
                Change(summary_key(parcel_key, record.id), ANY, self._sealed(parcel_key, record.summary()), life)
            )
        return changes

    def _sealed(self, parcel_key: str, record: ReturnRecord) -> bytes:
        return self._keyring.seal(record.dumped(), parcel_key, _context(record.id))

    # Idempotency keys

    def used_key(self, parcel_key: str, key: str) -> str:
        """The key of the record of this idempotency key."""
        return f"p:{{{parcel_key}}}:key:{self._keyring.name('key', parcel_key, key)}"

    def used_change(self, parcel_key: str, key: str, read: Versioned, use: KeyRecord) -> Change:
        """Stores the return and body that this idempotency key is used for."""
        return Change(self.used_key(parcel_key, key), read.revision, use.model_dump_json().encode(), self.whole_life)

    def keyed(self, parcel_key: str, fingerprints: Fingerprints) -> Fingerprints:
        """The fingerprints as they are stored: keyed, because the body behind a bare hash could be guessed."""
        return {version: self._keyring.name("body", parcel_key, each) for version, each in fingerprints.items()}


def loaded_claims(kept: Versioned) -> dict[str, Claim]:
    """The stored claims, including those that have ended."""
    with parsing():
        return _CLAIMS.validate_json(kept.value) if kept.revision else {}


def loaded_first_seen(kept: Versioned) -> Mapping[str, int]:
    """The stored first numbers of units, by keyed line name."""
    with parsing():
        return _FIRST_SEEN.validate_json(kept.value) if kept.revision else {}


def loaded_use(kept: Versioned) -> KeyRecord | None:
    """The stored use of the idempotency key; None if it was not used."""
    with parsing():
        return KeyRecord.model_validate_json(kept.value) if kept.revision else None


def without_record(parcel_key: str, return_id: str) -> list[Change]:
    """Deletes the record and its summary."""
    return [Change(key(parcel_key, return_id), ANY, None, 1) for key in (record_key, summary_key)]


def index_key(return_id: str) -> str:
    """The key under which the parcel of a return is stored."""
    return f"i:{{{return_id}}}"


def claims_key(parcel_key: str) -> str:
    """The key of a parcel's claims."""
    return f"p:{{{parcel_key}}}:claim"


def first_seen_key(parcel_key: str) -> str:
    """The key of a parcel's first numbers of units."""
    return f"p:{{{parcel_key}}}:seen"


def released_key(parcel_key: str, return_id: str) -> str:
    """The key of an operator's finding about a return."""
    return f"p:{{{parcel_key}}}:released:{return_id}"


def record_key(parcel_key: str, return_id: str) -> str:
    """The key of a return."""
    return f"p:{{{parcel_key}}}:r:{return_id}"


def summary_key(parcel_key: str, return_id: str) -> str:
    """The key of a return's summary, which outlives its content."""
    return f"p:{{{parcel_key}}}:summary:{return_id}"


def _context(return_id: str) -> str:
    return f"return|{return_id}|{SCHEMA}"
