"""Problems of the service itself, of its upstream and of the gateway."""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

from app import errors
from app.errors import BffError
from app.http.problem_types.problem_type import ProblemType

SERVICE: Mapping[type[BffError], ProblemType] = MappingProxyType(
    {
        errors.InternalError: ProblemType(
            "internal-error",
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "Something went wrong on our side",
            "Please try again. If it fails again, report it with the request_id.",
            when="A mistake in the service itself came to light; the log has a line with the request_id.",
            front_end="Say that it failed and offer to try again once, a creation with the same Idempotency-Key.",
        ),
        errors.Overloaded: ProblemType(
            "overloaded",
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The service has too much to do",
            "Nothing was done. Please wait a moment and try again.",
            when="More requests came at once than can be answered in good time, so this one was turned away unread.",
            front_end="Repeat after the wait, and not more often: every repeat is load too.",
            retryable=True,
        ),
        errors.ShuttingDown: ProblemType(
            "shutting-down",
            HTTPStatus.SERVICE_UNAVAILABLE,
            "This replica is about to stop",
            "Others answer; the gateway finds them.",
            when="A replica is being restarted and tells the gateway so by its readiness.",
            front_end="Front ends do not meet it: only /readyz answers it.",
            retryable=True,
        ),
        errors.StoreUnavailable: ProblemType(
            "temporarily-unavailable",
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The service cannot answer now",
            "Nothing was lost. Please wait a moment and try again.",
            when="The store behind the service did not answer. Sessions and returns are still there.",
            front_end="Keep the session and the page as they are, and repeat after the wait.",
            retryable=True,
        ),
        errors.BadUpstream: ProblemType(
            "bad-upstream",
            HTTPStatus.BAD_GATEWAY,
            "The shipping service gave no usable answer",
            "Please try again later.",
            when="Its answer was cut off, had an error status, or was something else than its contract says.",
            front_end="Say that it does not work at the moment and offer to try again. Do not blame the shopper's "
            "input.",
            retryable=True,
        ),
        errors.UpstreamTimeout: ProblemType(
            "upstream-timeout",
            HTTPStatus.GATEWAY_TIMEOUT,
            "The shipping service did not answer in time",
            "Please try again later.",
            when="The call was given up at its deadline; no return was created by it.",
            front_end="Offer to try again after a while; a quick repeat mostly meets the same delay.",
            retryable=True,
        ),
        errors.UpstreamRejected: ProblemType(
            "upstream-refused",
            HTTPStatus.BAD_GATEWAY,
            "The shipping service refused the request",
            "Trying again will not help. Please contact the shop.",
            when="It answered with an error status that says neither that something is absent nor that a token is bad.",
            front_end="Report it with the request_id; the shopper can only contact the shop.",
        ),
        errors.UpstreamUnavailable: ProblemType(
            "upstream-unavailable",
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The shipping service cannot be reached or is busy",
            "Please wait a moment and try again.",
            when="No connection could be made, its quota is used up, or it failed so often lately that it is not "
            "called for some seconds.",
            front_end="Show that it is busy and repeat after the wait; repeat background calls later still.",
            retryable=True,
        ),
    }
)

GATEWAY = (
    ProblemType(
        "uri-too-long",
        HTTPStatus.REQUEST_URI_TOO_LONG,
        "The address is too long",
        "Path and query together have at most 16 KiB.",
        when="The gateway did not read the request because its first line is too long.",
        front_end="A mistake in the code of the front end: put long values into a body.",
    ),
    ProblemType(
        "too-many-connections",
        HTTPStatus.TOO_MANY_REQUESTS,
        "Too many requests at once from one address",
        "Wait for answers before asking more, and repeat the request after Retry-After seconds.",
        when="The gateway holds more requests of this address than one household or office makes.",
        front_end="Close event streams of hidden pages, and hold one request at a time for each return.",
        retryable=True,
    ),
    ProblemType(
        "no-answer",
        HTTPStatus.BAD_GATEWAY,
        "The service broke off",
        "Repeat the request after Retry-After seconds, a creation with the same Idempotency-Key.",
        when="The gateway lost the replica in the middle of the request, or found none.",
        front_end="Repeat after the wait. Whether anything happened is settled by the key.",
        retryable=True,
    ),
    ProblemType(
        "no-answer-in-time",
        HTTPStatus.GATEWAY_TIMEOUT,
        "The service did not answer in time",
        "Repeat the request after Retry-After seconds, a creation with the same Idempotency-Key.",
        when="The gateway waited longer for the replica than any call takes.",
        front_end="Repeat after the wait. Whether anything happened is settled by the key.",
        retryable=True,
    ),
)
"""Problems that only the gateway answers (deploy/nginx/problems.conf); its other problems are in the tables above."""
