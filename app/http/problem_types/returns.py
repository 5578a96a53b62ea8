"""Problems with a return, its service point and its documents."""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

from app import errors
from app.errors import BffError
from app.http.problem_types.problem_type import ProblemType

RETURNS: Mapping[type[BffError], ProblemType] = MappingProxyType(
    {
        errors.IdempotencyKeyInvalid: ProblemType(
            "idempotency-key-invalid",
            HTTPStatus.BAD_REQUEST,
            "The Idempotency-Key is missing or malformed",
            "Send a fresh random key of 16 to 255 visible ASCII characters with each new return.",
            when="The header that makes a creation safe to repeat was left out, is too short, or has other characters.",
            front_end="Make one with `crypto.randomUUID()` when the form opens, and keep it until the answer is known.",
        ),
        errors.IdempotencyKeyReused: ProblemType(
            "idempotency-key-reused",
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "The Idempotency-Key was used with another body",
            "Repeat the first body, or use a fresh key for a new return.",
            when="A creation with this key was received earlier and had a different body, for this parcel.",
            front_end="Keep key and body together; a return that is changed after an answer needs a new key.",
        ),
        errors.NotReturnableNow: ProblemType(
            "not-returnable-now",
            HTTPStatus.CONFLICT,
            "This order cannot be returned now",
            "The shop's own return portal says why.",
            when="The shipping service refuses the lookup: the return window is over, the parcel is on its way, or "
            "everything came back already. It does not tell us which.",
            front_end="Offer the address in Location as a link. Do not offer to try again at once.",
        ),
        errors.NotReturnableOnline: ProblemType(
            "not-returnable-online",
            HTTPStatus.CONFLICT,
            "This order cannot be returned here",
            "Please use the shop's own return portal.",
            when="The shipping service knows the order and names no parcel that could go back through this API.",
            front_end="Offer the address in Location as a link.",
        ),
        errors.ServicePointNotFound: ProblemType(
            "service-point-not-found",
            HTTPStatus.NOT_FOUND,
            "No such service point",
            "Search again; points come and go.",
            when="The carrier closed or renumbered the point since it was found.",
            front_end="Take it off the list and search again.",
        ),
        errors.ServicePointUnavailable: ProblemType(
            "service-point-unavailable",
            HTTPStatus.CONFLICT,
            "The service point cannot take this parcel",
            "Please choose another one of the same carrier.",
            when="The chosen point is gone, or of a carrier other than the one chosen with it.",
            front_end="Show alternatives, which the problem brings along, and send the new choice with a fresh key.",
        ),
        errors.ReturnInProgress: ProblemType(
            "return-in-progress",
            HTTPStatus.CONFLICT,
            "This return is already being made",
            "Please wait a moment and try again.",
            when="A second request came while the first one was still waiting for the shipping service, as after a "
            "double click.",
            front_end="Keep waiting: repeat it with the same key and body and show only one result.",
            retryable=True,
        ),
        errors.ReturnReleased: ProblemType(
            "return-released",
            HTTPStatus.CONFLICT,
            "This return was released",
            "Its items can be returned again. Please start a new return.",
            when="The shop found that the return was never made, or cancelled it; Location names it.",
            front_end="Ask the shopper whether to return the items again, and use a new key for that.",
        ),
        errors.FindingRefused: ProblemType(
            "finding-refused",
            HTTPStatus.CONFLICT,
            "The return does not allow this outcome now",
            "Nothing was changed. Where there is a Retry-After, the outcome can be recorded after it.",
            when="A system of the shop recorded an outcome that contradicts the return, while it is being created, or "
            "within 15 minutes of a creation whose outcome is unknown.",
            front_end="Read the return and the holders of its units. What a page of a shopper does never leads here.",
        ),
        errors.ReturnStillOpen: ProblemType(
            "return-still-open",
            HTTPStatus.CONFLICT,
            "The return is still open",
            "Nothing was erased. Erase it once its state is final; a recorded outcome makes it so.",
            when="A system of the shop erases a return that is being created, whose outcome is unknown, or that waits "
            "for its label or for a payment.",
            front_end="Wait for the label, or cancel the return in the panel and record that. What a page of a shopper "
            "does never leads here.",
        ),
        errors.UnitsClaimed: ProblemType(
            "units-claimed",
            HTTPStatus.CONFLICT,
            "These items are already in another return",
            "Look at that return to see where it stands.",
            when="At least one unit is in a return that was made before, or whose outcome is not known yet.",
            front_end="Follow Location, if there is one, and show that return; then draw the items again.",
        ),
        errors.ClaimLost: ProblemType(
            "claim-lost",
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The return was not sent",
            "Nothing was registered. Please wait a moment and try again.",
            when="A replica stood still so long that others took the request for dead. Nothing reached the "
            "shipping service.",
            front_end="Repeat it without asking the shopper.",
            retryable=True,
        ),
        errors.ReturnRefused: ProblemType(
            "return-refused",
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "The return was refused",
            "Nothing was registered. Change the return, or contact the shop.",
            when="The shipping service looked at the return and declined it, for instance because a rule of the "
            "shop forbids it.",
            front_end="Say that nothing was created and go back to the choices, with a fresh key; offer the "
            "shop's contact.",
        ),
        errors.ReturnOutcomeUnknown: ProblemType(
            "return-outcome-unknown",
            HTTPStatus.GATEWAY_TIMEOUT,
            "It is not known whether the return was registered",
            "Please do not send it again. Watch for the confirmation e-mail, and contact the shop if none comes.",
            when="The request to create the return left, and no usable answer came back.",
            front_end="Never create it again automatically. Show what is known, keep following the return, and name "
            "the shop's contact.",
        ),
        errors.ReturnNotFound: ProblemType(
            "return-not-found",
            HTTPStatus.NOT_FOUND,
            "This parcel has no such return",
            "Look up the order again to see its returns.",
            when="The id is misspelt, is of another parcel, or the return is no longer kept.",
            front_end="Go back to the overview and draw it from GET /v1/session.",
        ),
        errors.LabelNotReady: ProblemType(
            "label-not-ready",
            HTTPStatus.CONFLICT,
            "The label is not ready yet",
            "Please wait a moment and try again.",
            when="The document was asked for while it is still being made, or while the return is still to be paid.",
            front_end="Wait for the return itself, held (`Prefer: wait`) or by its events, and ask for the label once "
            "it is ready.",
            retryable=True,
        ),
        errors.NoLabel: ProblemType(
            "no-label",
            HTTPStatus.CONFLICT,
            "This return has no label",
            "The return itself says what to do instead.",
            when="The return failed, its outcome is not known, it needs no label, as in a store, or the shop sends the "
            "label.",
            front_end="Show what the state of the return asks the shopper to do instead of a download.",
        ),
        errors.CustomsDeclarationNotFound: ProblemType(
            "customs-declaration-not-found",
            HTTPStatus.NOT_FOUND,
            "The return has no customs declaration",
            "It comes with the label, and only where customs require one.",
            when="The label is not ready yet, or the parcel crosses no customs border.",
            front_end="Offer the document only where the return has a link to it.",
        ),
    }
)
