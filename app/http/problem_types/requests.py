"""Problems with the form of a request: paths, bodies, files."""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

from app import errors
from app.errors import BffError
from app.http.problem_types.problem_type import ProblemType

REQUESTS: Mapping[type[BffError], ProblemType] = MappingProxyType(
    {
        errors.InvalidRequest: ProblemType(
            "invalid-request",
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "Some details are not right",
            "Please check what was entered; errors names each field.",
            when="A member or parameter has a wrong type, is out of range or unknown, or does not fit the order or "
            "another member.",
            front_end="Show each entry at the input that its pointer leads to. The preview of a return finds the same "
            "before the shopper confirms.",
        ),
        errors.MalformedRequest: ProblemType(
            "malformed-request",
            HTTPStatus.BAD_REQUEST,
            "The request cannot be read",
            "The body has to be one JSON document in UTF-8, or a well-formed form where files are uploaded.",
            when="The body is cut off or compressed, is no JSON or no form, or is in another encoding.",
            front_end="A shopper cannot fix it: build the body with the platform's own JSON or form functions, and "
            "report it.",
        ),
        errors.UnsupportedMediaType: ProblemType(
            "unsupported-media-type",
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "The body has the wrong media type",
            "Send the body as application/json, files as multipart/form-data.",
            when="The Content-Type header is missing or names something that this call does not take.",
            front_end="Set the header with every body; for files leave it to the browser, which adds the boundary.",
        ),
        errors.BodyTooLarge: ProblemType(
            "body-too-large",
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "The body is too large",
            "A body has at most 64 KiB, an upload at most 100 MiB.",
            when="The announced or received length went beyond the limit, and the rest was not read.",
            front_end="Make pictures smaller, or send them in several uploads. No other body of an honest shopper "
            "comes near the limit.",
        ),
        errors.BodyTooSlow: ProblemType(
            "body-too-slow",
            HTTPStatus.REQUEST_TIMEOUT,
            "The body took too long",
            "Nothing was done. Send the whole body within 8 seconds.",
            when="The connection was too slow or broke off while the body was on its way.",
            front_end="Say that the connection is weak and let the shopper send again, a creation with the same "
            "Idempotency-Key.",
        ),
        errors.HeadersTooLarge: ProblemType(
            "headers-too-large",
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            "The headers are too large",
            "All header fields together have at most 32 KiB.",
            when="Cookies of other pages on the same host, or a proxy on the way, made the header fields too long.",
            front_end="Look at the cookies that the host sets. A call of this service needs few and short headers.",
        ),
        errors.RouteNotFound: ProblemType(
            "not-found",
            HTTPStatus.NOT_FOUND,
            "There is nothing here",
            "The API description lists all paths.",
            when="The path is misspelt or of another version; it says nothing about orders or returns.",
            front_end="A mistake in the code of the front end: compare the path with /openapi.json.",
        ),
        errors.MethodNotAllowed: ProblemType(
            "method-not-allowed",
            HTTPStatus.METHOD_NOT_ALLOWED,
            "The resource has no such method",
            "The Allow header lists the methods it has.",
            when="The path exists, and the call used a method that it does not have.",
            front_end="A mistake in the code of the front end: generated clients do not make it.",
        ),
        errors.TooManyFiles: ProblemType(
            "too-many-files",
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "The upload has too many files",
            "Send at most 10 files at once.",
            when="One upload brought more files than a call takes; none of them was stored.",
            front_end="Send the rest in another upload.",
        ),
        errors.FileTooLarge: ProblemType(
            "file-too-large",
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "A file is too large",
            "Each file has to be smaller than 10 MB.",
            when="A picture went beyond the limit of the shipping service, so no file of the upload was stored.",
            front_end="Scale the picture down in the browser, or ask for another one, and send all files again.",
        ),
        errors.NotAnImage: ProblemType(
            "not-an-image",
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "A file is not a picture",
            "Choose a JPEG, PNG, WebP, GIF or HEIC picture.",
            when="The first bytes of a file belong to no picture format that the shipping service takes; nothing was "
            "stored.",
            front_end="Show the entry at the file it names and let the shopper choose another one.",
        ),
        errors.UploadTooSlow: ProblemType(
            "upload-too-slow",
            HTTPStatus.REQUEST_TIMEOUT,
            "The upload took too long",
            "Send fewer or smaller files at once.",
            when="The files did not arrive in the time an upload has, as happens over a weak connection.",
            front_end="Scale pictures down before sending them, and offer to go on without.",
        ),
        errors.UploadsBusy: ProblemType(
            "uploads-busy",
            HTTPStatus.SERVICE_UNAVAILABLE,
            "Too many uploads at once",
            "Nothing was stored. Please wait a moment and try again.",
            when="This replica had as many uploads under way as its disk has room for.",
            front_end="Keep the chosen files and send them again after the wait, without asking the shopper.",
            retryable=True,
        ),
    }
)
