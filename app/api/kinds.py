"""The one table of problems: which class of errors looks how outside. docs/problems.md says the same."""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import NamedTuple

from app import errors
from app.errors import BffError


class Kind(NamedTuple):
    """How one class of errors looks outside."""

    code: str
    status: HTTPStatus
    title: str
    detail: str
    retryable: bool = False


KINDS: Mapping[type[BffError], Kind] = MappingProxyType(
    {
        errors.InvalidRequest: Kind(
            "invalid-request",
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "The request has wrong fields",
            "Each entry of errors names a member and what is wrong with it.",
        ),
        errors.MalformedRequest: Kind(
            "malformed-request",
            HTTPStatus.BAD_REQUEST,
            "The request cannot be read",
            "The body has to be one JSON document in UTF-8, or a well-formed form where files are uploaded.",
        ),
        errors.UnsupportedMediaType: Kind(
            "unsupported-media-type",
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "The body has the wrong media type",
            "Send the body as application/json, files as multipart/form-data.",
        ),
        errors.BodyTooLarge: Kind(
            "body-too-large",
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "The body is too large",
            "A body has at most 64 KiB, an upload at most 100 MiB.",
        ),
        errors.TooManyFiles: Kind(
            "too-many-files",
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "The upload has too many files",
            "Send at most 10 files at once.",
        ),
        errors.FileTooLarge: Kind(
            "file-too-large",
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "A file is too large",
            "Each file has to be smaller than 10 MB; errors says which one is not.",
        ),
        errors.NotAnImage: Kind(
            "not-an-image",
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "A file is not a picture",
            "Send JPEG, PNG, WebP, GIF or HEIC, whatever the file is called; errors says which one is none of these.",
        ),
        errors.UploadTooSlow: Kind(
            "upload-too-slow",
            HTTPStatus.REQUEST_TIMEOUT,
            "The upload took too long",
            "Send fewer or smaller files at once.",
        ),
        errors.UploadsBusy: Kind(
            "uploads-busy",
            HTTPStatus.SERVICE_UNAVAILABLE,
            "Too many uploads at once",
            "Nothing was stored. Repeat the request after Retry-After seconds.",
            retryable=True,
        ),
        errors.HeadersTooLarge: Kind(
            "headers-too-large",
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            "The headers are too large",
            "All header fields together have at most 32 KiB.",
        ),
        errors.BodyTooSlow: Kind(
            "body-too-slow",
            HTTPStatus.REQUEST_TIMEOUT,
            "The body took too long",
            "Nothing was done. Send the whole body within 8 seconds.",
        ),
        errors.MethodNotAllowed: Kind(
            "method-not-allowed",
            HTTPStatus.METHOD_NOT_ALLOWED,
            "The resource has no such method",
            "The Allow header lists the methods it has.",
        ),
        errors.InternalError: Kind(
            "internal-error",
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "Something went wrong on our side",
            "Quote the request_id when you report it.",
        ),
        errors.Overloaded: Kind(
            "overloaded",
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The service has too much to do",
            "Nothing was done. Repeat the request after Retry-After seconds.",
            retryable=True,
        ),
        errors.ShuttingDown: Kind(
            "shutting-down",
            HTTPStatus.SERVICE_UNAVAILABLE,
            "This replica is about to stop",
            "Others answer; the gateway finds them.",
            retryable=True,
        ),
        errors.IdempotencyKeyInvalid: Kind(
            "idempotency-key-invalid",
            HTTPStatus.BAD_REQUEST,
            "The Idempotency-Key is missing or malformed",
            "Send a fresh random key of 16 to 255 visible ASCII characters with each new return.",
        ),
        errors.IdempotencyKeyReused: Kind(
            "idempotency-key-reused",
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "The Idempotency-Key came with another body before",
            "Repeat the first body, or use a fresh key for a new return.",
        ),
        errors.TwoCredentials: Kind(
            "two-credentials",
            HTTPStatus.BAD_REQUEST,
            "Cookie and bearer token came together",
            "Send one of the two.",
        ),
        errors.SessionRequired: Kind(
            "session-required",
            HTTPStatus.UNAUTHORIZED,
            "The call needs a session",
            "Look the parcel up first.",
        ),
        errors.SessionExpired: Kind(
            "session-expired",
            HTTPStatus.UNAUTHORIZED,
            "The session is over",
            "Look the parcel up again; its returns are still there.",
        ),
        errors.OriginNotAllowed: Kind(
            "origin-not-allowed",
            HTTPStatus.FORBIDDEN,
            "The page that made this call is not allowed to",
            "Call from the same origin, or have the origin listed.",
        ),
        errors.PartnerKeyUnknown: Kind(
            "partner-key-unknown",
            HTTPStatus.FORBIDDEN,
            "The X-Partner-Key is of no partner",
            "Send the key that was agreed, or leave the header out.",
        ),
        errors.TooManyLookups: Kind(
            "too-many-lookups",
            HTTPStatus.TOO_MANY_REQUESTS,
            "Too many lookups from here",
            "Repeat the request after Retry-After seconds.",
            retryable=True,
        ),
        errors.TooManyFailedLookups: Kind(
            "too-many-failed-lookups",
            HTTPStatus.TOO_MANY_REQUESTS,
            "Too many failed lookups of this number",
            "Check order number and postal code, and repeat the request after Retry-After seconds. "
            "It does not matter who made the failed ones, nor whether the number exists.",
            retryable=True,
        ),
        errors.RouteNotFound: Kind(
            "not-found",
            HTTPStatus.NOT_FOUND,
            "There is nothing here",
            "The API description lists all paths.",
        ),
        errors.TooManyHandoffs: Kind(
            "too-many-handoffs",
            HTTPStatus.TOO_MANY_REQUESTS,
            "Too many links for one session",
            "Use one of the links made before, or make one after Retry-After seconds.",
            retryable=True,
        ),
        errors.BrandNotFound: Kind(
            "brand-not-found",
            HTTPStatus.NOT_FOUND,
            "No return portal of this name",
            "Check the brand in the path.",
        ),
        errors.ParcelNotFound: Kind(
            "parcel-not-found",
            HTTPStatus.NOT_FOUND,
            "No parcel matches",
            "Check the order or tracking number and the postal code the parcel went to.",
        ),
        errors.HandoffNotFound: Kind(
            "handoff-not-found",
            HTTPStatus.NOT_FOUND,
            "The link is no longer valid",
            "A link is good for one device and 15 minutes. Make a new one, or look the parcel up.",
        ),
        errors.ReturnNotFound: Kind(
            "return-not-found",
            HTTPStatus.NOT_FOUND,
            "This parcel has no such return",
            "The session lists the returns of its parcel.",
        ),
        errors.CustomsDeclarationNotFound: Kind(
            "customs-declaration-not-found",
            HTTPStatus.NOT_FOUND,
            "The return has no customs declaration",
            "It comes with the label, and only where customs asks for one.",
        ),
        errors.ServicePointNotFound: Kind(
            "service-point-not-found",
            HTTPStatus.NOT_FOUND,
            "No such service point",
            "Search again; points come and go.",
        ),
        errors.LabelNotReady: Kind(
            "label-not-ready",
            HTTPStatus.CONFLICT,
            "The label is not ready yet",
            "Ask again after Retry-After seconds.",
            retryable=True,
        ),
        errors.NoLabel: Kind(
            "no-label",
            HTTPStatus.CONFLICT,
            "This return has no label",
            "Its state says why.",
        ),
        errors.NotReturnableOnline: Kind(
            "not-returnable-online",
            HTTPStatus.CONFLICT,
            "This order cannot be returned here",
            "Location names the shop's hosted return portal.",
        ),
        errors.ServicePointUnavailable: Kind(
            "service-point-unavailable",
            HTTPStatus.CONFLICT,
            "The service point cannot take this parcel",
            "Choose another one of the carrier you chose.",
        ),
        errors.ReturnInProgress: Kind(
            "return-in-progress",
            HTTPStatus.CONFLICT,
            "The first request with this key still runs",
            "Repeat the request after Retry-After seconds to get its answer.",
            retryable=True,
        ),
        errors.UnitsClaimed: Kind(
            "units-claimed",
            HTTPStatus.CONFLICT,
            "Another return holds these units",
            "Location names that return.",
        ),
        errors.ClaimLost: Kind(
            "claim-lost",
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The request stalled before anything was sent",
            "Repeat it with the same key.",
            retryable=True,
        ),
        errors.ReturnRefused: Kind(
            "return-refused",
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "The return was refused",
            "Nothing was created and the units are free. Change the return and use a fresh key, or contact the shop.",
        ),
        errors.ReturnOutcomeUnknown: Kind(
            "return-outcome-unknown",
            HTTPStatus.GATEWAY_TIMEOUT,
            "It is not known whether the return was created",
            "Do not send it again: it will not be sent twice. Follow Location, watch for the confirmation e-mail, "
            "and contact the shop if neither tells.",
        ),
        errors.StoreUnavailable: Kind(
            "temporarily-unavailable",
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The service cannot answer now",
            "Nothing was lost. Repeat the request after Retry-After seconds.",
            retryable=True,
        ),
        errors.BadUpstream: Kind(
            "bad-upstream",
            HTTPStatus.BAD_GATEWAY,
            "The shipping service answered something unusable",
            "Repeat the request later.",
            retryable=True,
        ),
        errors.UpstreamTimeout: Kind(
            "upstream-timeout",
            HTTPStatus.GATEWAY_TIMEOUT,
            "The shipping service did not answer in time",
            "Repeat the request later.",
            retryable=True,
        ),
        errors.UpstreamUnauthorized: Kind(
            "session-expired",
            HTTPStatus.UNAUTHORIZED,
            "The session is over",
            "Look the parcel up again; its returns are still there.",
        ),
        errors.UpstreamRejected: Kind(
            "upstream-refused",
            HTTPStatus.BAD_GATEWAY,
            "The shipping service refused the request",
            "Repeating it will not help.",
        ),
        errors.UpstreamUnavailable: Kind(
            "upstream-unavailable",
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The shipping service cannot be reached or is busy",
            "Repeat the request after Retry-After seconds.",
            retryable=True,
        ),
    }
)

GATEWAY_KINDS = (
    Kind(
        "uri-too-long",
        HTTPStatus.REQUEST_URI_TOO_LONG,
        "The address is too long",
        "Path and query together have at most 16 KiB.",
    ),
    Kind(
        "too-many-connections",
        HTTPStatus.TOO_MANY_REQUESTS,
        "Too many requests at once from one address",
        "Wait for answers before asking more, and repeat the request after Retry-After seconds.",
        retryable=True,
    ),
    Kind(
        "no-answer",
        HTTPStatus.BAD_GATEWAY,
        "The service broke off",
        "Repeat the request after Retry-After seconds, a creation with the same Idempotency-Key.",
        retryable=True,
    ),
    Kind(
        "no-answer-in-time",
        HTTPStatus.GATEWAY_TIMEOUT,
        "The service did not answer in time",
        "Repeat the request after Retry-After seconds, a creation with the same Idempotency-Key.",
        retryable=True,
    ),
)
"""What only the gateway answers (deploy/nginx/problems.conf); what else it answers, this service answers as well."""

ALL_KINDS = frozenset({*KINDS.values(), *GATEWAY_KINDS})


def kind_of(error_type: type[BffError]) -> Kind:
    """How this class of errors looks outside: its own row, or that of the nearest class above it."""
    return next((KINDS[each] for each in error_type.__mro__ if each in KINDS), KINDS[errors.InternalError])
