"""Problems of access: lookups, sessions, origins, limits."""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

from app import errors
from app.errors import BffError
from app.http.problem_types.problem_type import ProblemType

_SESSION_EXPIRED = ProblemType(
    "session-expired",
    HTTPStatus.UNAUTHORIZED,
    "Your session has ended",
    "Look up your order again; its returns are still there.",
    when="The session was ended, its time is over, or the shipping service no longer takes what it was given at "
    "the lookup.",
    front_end="Go to the lookup form and say why; keep what the shopper chose so far.",
)

ACCESS: Mapping[type[BffError], ProblemType] = MappingProxyType(
    {
        errors.BrandNotFound: ProblemType(
            "brand-not-found",
            HTTPStatus.NOT_FOUND,
            "No return portal of this name",
            "Check the brand in the path.",
            when="The name is misspelt, the service is not set up for it, or its portal is not active at the "
            "shipping service.",
            front_end="A shopper cannot fix it: take the name from the configuration of the front end, and check it "
            "there.",
        ),
        errors.ParcelNotFound: ProblemType(
            "parcel-not-found",
            HTTPStatus.NOT_FOUND,
            "No matching parcel was found",
            "Check the order or tracking number and the postal code the parcel went to.",
            when="The number is unknown or the postal code is another one. The answer never says which.",
            front_end="Show the form again with its values, and say that one of the two is wrong.",
        ),
        errors.TwoCredentials: ProblemType(
            "two-credentials",
            HTTPStatus.BAD_REQUEST,
            "More than one credential came with the call",
            "Send the session once: as the cookie or as the bearer token.",
            when="The browser added the session cookie to a request that also has an Authorization header, or several "
            "cookies have the session's name.",
            front_end='Use one of them: with bearer tokens, make calls without cookies (`credentials: "omit"`).',
        ),
        errors.SessionRequired: ProblemType(
            "session-required",
            HTTPStatus.UNAUTHORIZED,
            "Please look up the order first",
            "Enter the order number and the postal code.",
            when="Neither the session cookie nor a bearer token came with the call.",
            front_end="Go to the lookup form. If a cookie was expected, check that it is sent: same site, HTTPS, "
            "credentials included.",
        ),
        errors.SessionExpired: _SESSION_EXPIRED,
        errors.UpstreamUnauthorized: _SESSION_EXPIRED,
        errors.OriginNotAllowed: ProblemType(
            "origin-not-allowed",
            HTTPStatus.FORBIDDEN,
            "The page that made this call is not allowed to make it",
            "Call from the same origin, or have the origin listed.",
            when="A browser made the call from a page whose origin is neither the service's own nor among those "
            "allowed.",
            front_end="A shopper cannot fix it: have the operator add the origin to `BFF_ALLOWED_ORIGINS`.",
        ),
        errors.SignatureInvalid: ProblemType(
            "signature-invalid",
            HTTPStatus.FORBIDDEN,
            "The event is not signed with a key of the shop",
            "Check the signature key in the shop's entry.",
            when="An event came in the name of the shipping service, and no key of the shop signed its body.",
            front_end="Only the shipping service makes this call.",
        ),
        errors.PartnerKeyUnknown: ProblemType(
            "partner-key-unknown",
            HTTPStatus.FORBIDDEN,
            "No partner has this X-Partner-Key",
            "Send the key that was agreed, or leave the header out.",
            when="A server-side integration sent a key that was mistyped, replaced or never given out, or a system of "
            "the shop sent none.",
            front_end="Check the configuration of the integration. A page in a browser must not have a partner key.",
        ),
        errors.TooManyLookups: ProblemType(
            "too-many-lookups",
            HTTPStatus.TOO_MANY_REQUESTS,
            "Too many lookups from here",
            "Please wait a moment and try again.",
            when="One address, or one partner, made as many lookups as it may within a minute, whatever their outcome.",
            front_end="Disable the button until Retry-After is over; the RateLimit headers tell earlier how many are "
            "left.",
            retryable=True,
        ),
        errors.TooManyCalls: ProblemType(
            "too-many-calls",
            HTTPStatus.TOO_MANY_REQUESTS,
            "Too many requests for one order",
            "Nothing was done. Please wait a moment and try again.",
            when="Within a minute, the sessions of one parcel made all the calls to the shipping service that they "
            "may, many of its returns were refused within a day, or an upload or large downloads are under way.",
            front_end="Wait for Retry-After; search again only when the shopper has chosen another place or filter. "
            "Upload all pictures in one call, or one call after the other.",
            retryable=True,
        ),
        errors.TooManyFailedLookups: ProblemType(
            "too-many-failed-lookups",
            HTTPStatus.TOO_MANY_REQUESTS,
            "Too many failed lookups of this number",
            "Check the order number and the postal code, and wait before you try again.",
            when="The order or tracking number was asked for with wrong data several times, by any callers; each "
            "failure makes the wait longer. Numbers that do not exist are treated alike.",
            front_end="Disable the button and show the wait. Do not repeat automatically.",
            retryable=True,
        ),
        errors.TooManyHandoffs: ProblemType(
            "too-many-handoffs",
            HTTPStatus.TOO_MANY_REQUESTS,
            "Too many links for one parcel",
            "Use a link that you made before, or wait a few minutes.",
            when="More links to other devices were made for the parcel than one may have within 15 minutes.",
            front_end="Show the link that is there already instead of asking for one each time the page is drawn.",
            retryable=True,
        ),
        errors.HandoffNotFound: ProblemType(
            "handoff-not-found",
            HTTPStatus.NOT_FOUND,
            "The link is no longer valid",
            "A link is good for one device and 15 minutes. Make a new one, or look the parcel up.",
            when="The link was used before, has expired, or was not copied as a whole.",
            front_end="Say that the link is used up and offer the lookup form.",
        ),
    }
)
