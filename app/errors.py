"""Everything this service raises on purpose; `http/problem_types` has the problem that each becomes.

BffError
├── InvalidRequest                  the request's own fields are wrong
├── MalformedRequest                it cannot be read at all
├── UnsupportedMediaType            the body has another media type than the call takes
├── BodyTooLarge, HeadersTooLarge   longer than we read
├── BodyTooSlow                     the body does not end in time
├── TooManyFiles, FileTooLarge      more than one upload takes
├── NotAnImage                      a file is no picture
├── UploadTooSlow                   the body of an upload does not end in time
├── UploadsBusy                     there is no room for one more upload now
├── MethodNotAllowed
├── InternalError                   a fault of ours
├── Overloaded                      this replica has too much to do
├── ShuttingDown                    this replica is about to stop
├── IdempotencyKeyInvalid           missing or not 16 to 255 visible ASCII characters
├── IdempotencyKeyReused            the same key came with another body
├── TwoCredentials                  cookie and bearer at once
├── SessionRequired                 no credential at all
├── SessionExpired                  known to be absent, expired or refused by the upstream
├── OriginNotAllowed                a browser of another site calls with our cookie
├── TooManyHandoffs                 one parcel has as many links as it may
├── PartnerKeyUnknown               no partner has this X-Partner-Key
├── SignatureInvalid                no key of the shop signed the upstream's event
├── TooManyCalls                    one parcel's sessions cost the upstream, or this replica, too much
├── TooManyLookups                  this caller looked up too often
├── TooManyFailedLookups            lookups of this order failed too often, over all callers
├── NotFound                        the resource is known not to exist
│   ├── RouteNotFound
│   ├── BrandNotFound
│   ├── ParcelNotFound              unknown order or wrong postal code, never told apart
│   ├── HandoffNotFound             used, expired or never made, never told apart
│   ├── ReturnNotFound
│   ├── CustomsDeclarationNotFound
│   └── ServicePointNotFound
├── Conflict                        the state of the resource does not allow the request
│   ├── LabelNotReady
│   ├── NoLabel                     this return ends without a label
│   ├── NotReturnableNow            the upstream refuses the return of an order it may know
│   ├── NotReturnableOnline         the upstream names no parcel to return
│   ├── ServicePointUnavailable     gone, or of another carrier
│   ├── ReturnInProgress            the first request with this key still runs
│   ├── ReturnReleased              the shop released the return of this key
│   ├── ReturnStillOpen             its content is needed until its state is final
│   ├── FindingRefused              the claim of the return does not allow this finding, or not yet
│   └── UnitsClaimed                another return holds these units
├── ClaimLost                       this request was taken for dead before it sent anything
├── ReturnRefused                   the upstream refused the return with a 4xx
├── ReturnOutcomeUnknown            the return may have been created
├── StoreUnavailable                Redis cannot answer now
└── UpstreamError
    ├── BadUpstream                 it answered nonsense
    ├── UpstreamTimeout             it did not answer in time
    ├── UpstreamUnauthorized        it refused our token (401)
    ├── UpstreamRejected            it refused our request (other 4xx)
    │   └── UpstreamGone            with 403, 404 or 410
    └── UpstreamUnavailable         it was never reached, or it limits our rate (429)
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class FieldProblem:
    """A fault of one member of a request body; `pointer` is a JSON Pointer in fragment form."""

    pointer: str
    code: str
    detail: str
    missing: str = ""
    """Pointer of an absent member; `pointer` then names its parent."""


class BffError(Exception):
    """A foreseen failure. `reason` is for the log, in words of ours: never text of the upstream or the caller."""

    def __init__(
        self,
        reason: str = "",
        *,
        retry_after: int | None = None,
        location: str | None = None,
        errors: Sequence[FieldProblem] = (),
    ) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        """Seconds after which the same request may succeed."""
        self.location = location
        """Absolute path of the resource that caused the failure."""
        self.errors = errors


class InvalidRequest(BffError):
    """The request is well-formed, and its fields are wrong."""


class MalformedRequest(BffError):
    """The request cannot be read at all."""


class UnsupportedMediaType(BffError):
    """The body is not of the media type the call takes."""


class BodyTooLarge(BffError):
    """The body has more bytes than the call takes."""


class BodyTooSlow(BffError):
    """The body did not arrive in time: that of a request, or that of a document at its reader."""


class HeadersTooLarge(BffError):
    """The request's headers have more bytes than we read."""


class TooManyFiles(BffError):
    """The upload has more files than one call takes."""


class FileTooLarge(BffError):
    """A file of the upload has more bytes than we take."""


class NotAnImage(BffError):
    """A file of the upload does not begin like any picture we take."""


class UploadTooSlow(BffError):
    """The body of the upload did not arrive in time."""


class UploadsBusy(BffError):
    """As many uploads are under way as our disk has room for."""


class MethodNotAllowed(BffError):
    """The resource has no such method."""


class InternalError(BffError):
    """An unforeseen fault of ours."""


class Overloaded(BffError):
    """This replica has too much to do; nothing was done for this request."""


class ShuttingDown(BffError):
    """This replica is about to stop and takes no more requests."""


class IdempotencyKeyInvalid(BffError):
    """`Idempotency-Key` is missing or malformed."""


class IdempotencyKeyReused(BffError):
    """The same key came with another body."""


class TwoCredentials(BffError):
    """Cookie and bearer token came together."""


class SessionRequired(BffError):
    """The call needs a session, and none was presented."""


class SessionExpired(BffError):
    """The session is known to be absent, expired or refused by the upstream."""


class OriginNotAllowed(BffError):
    """A page of another site made a call that carries our cookie or would set it."""


class TooManyHandoffs(BffError):
    """The parcel has as many links as it may have for now."""


class TooManyCalls(BffError):
    """The sessions of this parcel have used up their calls for now, or had too many returns refused."""


class PartnerKeyUnknown(BffError):
    """No partner has the key that the call carries."""


class SignatureInvalid(BffError):
    """No key of the shop signed the event that came in the upstream's name."""


class TooManyLookups(BffError):
    """This address or partner has used up its lookups."""


class TooManyFailedLookups(BffError):
    """Lookups of this order number failed so often that the next one has to wait, from any caller."""


class NotFound(BffError):
    """The resource is known not to exist for this caller."""


class RouteNotFound(NotFound):
    """The API has no such path."""


class BrandNotFound(NotFound):
    """The brand is not served here, or has no active return portal."""


class ParcelNotFound(NotFound):
    """No parcel for this identifier and postal code; which of the two is wrong is never said."""


class HandoffNotFound(NotFound):
    """No session waits for this token: it was used, has expired, or was never made."""


class ReturnNotFound(NotFound):
    """No such return of this session's parcel."""


class ServicePointNotFound(NotFound):
    """No such service point."""


class CustomsDeclarationNotFound(NotFound):
    """The return has no customs declaration that we may fetch."""


class Conflict(BffError):
    """The state of the resource does not allow a request that is right in itself."""


class LabelNotReady(Conflict):
    """The label is still being made, or has to be paid first."""


class NoLabel(Conflict):
    """The return is in a state that never has a label."""


class NotReturnableNow(Conflict):
    """The upstream knows the order and refuses its return: window over, not delivered, returned already."""


class NotReturnableOnline(Conflict):
    """The upstream gives no parcel id for this order, so no return can be created here."""


class ServicePointUnavailable(Conflict):
    """The chosen service point is gone, or belongs to another carrier than the one chosen."""

    def __init__(self, reason: str = "", *, alternatives: Sequence[object] = ()) -> None:
        super().__init__(reason)
        self.alternatives = alternatives
        """Public service points that can take the parcel instead."""


class ReturnInProgress(Conflict):
    """The first request with this idempotency key is still running."""


class ReturnReleased(Conflict):
    """The shop released the units of the return that this idempotency key made; the key is used up."""


class ReturnStillOpen(Conflict):
    """The content of the return is needed until its state is final; nothing was erased."""


class FindingRefused(Conflict):
    """The claim of the return does not allow this finding, or not yet; nothing was changed."""


class UnitsClaimed(Conflict):
    """Another return of the parcel holds the units asked for."""


class ClaimLost(BffError):
    """This request stalled before it sent anything, and its claim was taken away."""


class ReturnRefused(BffError):
    """The upstream refused to create the return."""


class ReturnOutcomeUnknown(BffError):
    """The return may or may not have been created; its units stay claimed until that is settled."""


class StoreUnavailable(BffError):
    """Redis cannot answer: nothing is known, and nothing was deleted."""


class UpstreamError(BffError):
    """The upstream did not give a usable answer."""

    transient = False
    """Whether the same call may succeed a moment later."""


class BadUpstream(UpstreamError):
    """The upstream answered something that its contract does not allow."""


class UpstreamTimeout(UpstreamError):
    """The upstream did not answer within the deadline."""


class UpstreamUnauthorized(UpstreamError):
    """The upstream refused the token we sent (401)."""


class UpstreamRejected(UpstreamError):
    """The upstream refused the request (a 4xx that says nothing about tokens or quota)."""


class UpstreamGone(UpstreamRejected):
    """The upstream has nothing for us under this token or address (403, 404 or 410); other calls are not affected."""


class UpstreamUnavailable(UpstreamError):
    """The request provably never left, or the upstream has no time for it (429)."""
