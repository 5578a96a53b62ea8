"""The magic order prefixes: the one table of what the sandbox can play, listed in docs/sandbox.md."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse

from app.sandbox.answers import ELSEWHERE, Answer, Hang, RawAnswer, Refused
from app.sandbox.pdf import Pdf

Fault = Callable[[str], Answer]
"""Makes an answer for the free suffix of an order number."""

PAGE = "<!doctype html><title>Bad gateway</title><h1>Something went wrong</h1>"
HALF_A_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: applica"
PRINTER_CODES = b"\x1b%-12345X@PJL JOB\r\n@PJL ENTER LANGUAGE=PDF\r\n"
UNSENT_BYTES = 100
"""How much of a truncated or cut label is missing."""


def always(answer: Answer) -> Fault:
    """The same answer for every suffix."""
    return lambda _suffix: answer


def rate_limited(suffix: str) -> Answer:
    """429, with `Retry-After: 7` for suffixes that start with R."""
    raise Refused(429, "rate_limited", "Too many requests.", retry_after=7 if suffix.startswith("R") else None)


def blocked(_suffix: str) -> Answer:
    """A shop's rule stands against this return; the code is our own choice."""
    raise Refused(400, "return_refused", "This order is blocked.")


def window_over(_suffix: str) -> Answer:
    """The shop takes nothing back any more; status and code are our own choice."""
    raise Refused(409, "return_window_closed", "The return window is over.")


def revoked(_suffix: str) -> Answer:
    """The access token is good for nothing any more."""
    raise Refused(401, "unauthorized", "This token was revoked.")


def whole(pdf: Pdf) -> Answer:
    """The label as it should be, with its length."""
    headers = {"Content-Length": str(pdf.size)}
    return StreamingResponse(_flow(pdf.pieces()), headers=headers, media_type="application/pdf")


async def _flow(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    """The pieces without a trip through a thread for each."""
    for piece in pieces:
        yield piece
        # A reader who left is noticed between two pieces.
        await asyncio.sleep(0)


def behind_printer_codes(pdf: Pdf) -> Answer:
    """The label as it is sent to a printer."""
    return StreamingResponse(_flow([PRINTER_CODES, *pdf.pieces()]), media_type="application/pdf")


def truncated(pdf: Pdf) -> Answer:
    """The whole length is announced, and the connection ends before it is reached."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\nContent-Length: %d\r\n\r\n" % pdf.size
    return RawAnswer(head + bytes(pdf)[:-UNSENT_BYTES], status_code=200)


def cut(pdf: Pdf) -> Answer:
    """A chunked body that ends as HTTP wants it, in the middle of the document."""
    return StreamingResponse(_flow([bytes(pdf)[:-UNSENT_BYTES]]), media_type="application/pdf")


def without_length(pdf: Pdf) -> Answer:
    """The label, ended by closing the connection."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\nConnection: close\r\n\r\n"
    return RawAnswer(head + bytes(pdf), status_code=200)


def html_as_pdf(_pdf: Pdf) -> Answer:
    """A web page that calls itself a PDF."""
    return Response(PAGE, media_type="application/pdf")


def empty(_pdf: Pdf) -> Answer:
    """No byte at all."""
    return Response(media_type="application/pdf")


@dataclass(frozen=True)
class Scenario:
    """What one prefix does; everything not said is ordinary."""

    meaning: str
    quantities: tuple[int, ...] = (1,)
    """Ordered quantity of each of the brand's products, in the order of `data/brands.json`."""
    lines: tuple[Mapping[str, object], ...] = ()
    """Members of the products that are other than in the catalogue, in the same order."""
    counts_down: bool = False
    """True: what was returned is no longer in the quantities of the next lookup."""
    address: Mapping[str, object] = field(default_factory=dict)
    """Members of the parcel that are other than the customer's."""
    collo_count: int = 1
    shipped: bool = True
    """False: the order never went through the upstream, so it has no parcel id."""
    overseas: bool = False
    """True: the customer lives outside the brand's customs territory."""
    paid: bool = False
    """True: where the shop charges a fee, the return waits until `/_sandbox/paid/{order}` says it is paid."""
    token_lifetime: float | None = None
    """Seconds; None means the sandbox's setting, infinity a token without `exp`."""
    poller_lifetime: float | None = None
    """As above, of the poller's token."""
    delay: float = 0.0
    """Seconds every answer about this order takes."""
    lookup: Fault | None = None
    """Answers E2 instead of the parcel."""
    refusal: Fault | None = None
    """Answers E4 instead of making a return."""
    create: Fault | None = None
    """Answers E4 after the return was made."""
    polls: tuple[int, ...] = (202, 202, 200)
    """Statuses of E5 one after the other; the last one stays."""
    poll: Fault | None = None
    """Answers E5 instead of the status in `polls` that says ready."""
    foreign: str = ""
    """Which URL names another host: `poller_url` or `download_url`."""
    absent: str = ""
    """Which member of an answer is null: `poller_url` or `tracking_numbers`."""
    points: Literal["all", "but_one_carrier", "none"] = "all"
    """Whose service points may be searched for; the last carrier of the brand is the one that is not enabled."""
    label: Callable[[Pdf], Answer] = whole
    """How E6 sends the document."""
    label_bytes: int = 0
    """The document is padded to this size."""
    downloads: float = math.inf
    """How often E6 works before it answers 404."""


READY = (200,)
SCENARIOS = {
    "LABEL": Scenario("one item; the label is ready at the third poll"),
    "INSTANT": Scenario("one item; the label is ready at the first poll", polls=READY),
    "ITEMS": Scenario("four products: one of quantity 3, one not returnable", quantities=(1, 3, 2, 1)),
    "NOIDS": Scenario("two products without ids", quantities=(1, 1), lines=({"id": ""}, {"id": ""})),
    "SAMEIDS": Scenario("two sizes of one product id", quantities=(1, 2), lines=({"id": "size"}, {"id": "size"})),
    "ODDLINE": Scenario(
        "four products: no quantity, no price, a price with a comma, and a sound one",
        quantities=(1, 1, 1, 1),
        lines=({"quantity": None, "returnable": None}, {"price": None}, {"price": "29,95"}, {"returnable": True}),
    ),
    "SHRINK": Scenario("one product of quantity 3; a lookup after a return counts it down", (3,), counts_down=True),
    "NOEMAIL": Scenario("the customer's e-mail is not known", address={"email": None}),
    "RECORDED": Scenario(
        "as real parcels were recorded: two products without ids, no e-mail, no telephone",
        quantities=(1, 1),
        lines=({"id": ""}, {"id": ""}),
        address={"email": "", "telephone": None},
    ),
    "COLLI": Scenario("up to three parcels go back", quantities=(1, 2, 1), collo_count=3),
    "LABELLESS": Scenario("for labelless returns: the document is ready at the second poll", polls=(202, 200)),
    "STORE": Scenario("for returns in store: no label is made (every order polls 202 for ever then)"),
    "INTL": Scenario("the customer lives in the United Kingdom; customs information is required", overseas=True),
    "UNSHIPPED": Scenario("never shipped through the upstream: no parcel id, no collo count", shipped=False),
    "PAID": Scenario(
        "has to be paid first if the shop charges a fee: polls 202 until `/_sandbox/paid/{order}`", paid=True
    ),
    "PAYFAILED": Scenario("as `PAID`, but no poller is named and nothing pays it", paid=True, absent="poller_url"),
    "APPROVAL": Scenario("the shop has to approve the return: no poller is named", absent="poller_url"),
    "FAIL": Scenario("the announcement fails: one 202, then 500 for ever", polls=(202, 500)),
    "FLAKY": Scenario("one 500 while polling, then 202, then the label", polls=(500, 202, 200)),
    "SLOW": Scenario("every answer about this order takes 1.5 seconds", delay=1.5, polls=READY),
    "SLOWLABEL": Scenario("the label is ready after eight polls", polls=(202,) * 8 + (200,)),
    "NOEXP": Scenario("both tokens never expire", token_lifetime=math.inf),
    "EXPIRED": Scenario("both tokens have expired already: no session begins", token_lifetime=-60),
    "SHORT": Scenario("both tokens expire in 45 seconds", token_lifetime=45),
    "REVOKED": Scenario("the access token is refused when it is used: 401", refusal=revoked),
    "WINDOW": Scenario("the lookup is refused with 409: the return window is over", lookup=window_over),
    "REFUSE": Scenario("creating is refused with 400", refusal=blocked),
    "CREATE429": Scenario("creating is rate-limited; suffix R...: with Retry-After", refusal=rate_limited),
    "LOOKUP429": Scenario("the lookup is rate-limited; suffix R...: with Retry-After", lookup=rate_limited),
    "LOOKUP500": Scenario("the lookup answers 500 without a body", lookup=always(Response(status_code=500))),
    "LOOKUPHTML": Scenario("the lookup answers 502 with a web page", lookup=always(HTMLResponse(PAGE, 502))),
    "LOOKUPHANG": Scenario("the lookup is never answered", lookup=always(Hang())),
    "LOOKUPBAD": Scenario(
        "the lookup answers 200 with broken JSON",
        lookup=always(Response('{"data": {"parcel":', media_type="application/json")),
    ),
    "LOOKUPERRORS": Scenario(
        "the lookup answers 400 with an `errors` list",
        lookup=always(JSONResponse({"errors": [{"status": "400", "code": "invalid", "detail": "Not valid."}]}, 400)),
    ),
    "LOOKUPREDIRECT": Scenario("the lookup redirects to another host", lookup=always(RedirectResponse(ELSEWHERE, 302))),
    "CREATEHANG": Scenario("the return is made, the answer never comes", create=always(Hang())),
    "CREATEFIN": Scenario("the return is made, then the connection is closed", create=always(RawAnswer())),
    "CREATERESET": Scenario("the return is made, then the connection is reset", create=always(RawAnswer(reset=True))),
    "CREATEHALF": Scenario(
        "the return is made, the connection closes half-way through the response's head",
        create=always(RawAnswer(HALF_A_HEAD)),
    ),
    "CREATE500": Scenario("the return is made, the answer is 500", create=always(Response(status_code=500))),
    "CREATEHTML": Scenario("the return is made, the answer is 200 with a web page", create=always(HTMLResponse(PAGE))),
    "CREATEFOREIGN": Scenario("the return is made, `poller_url` names another host", foreign="poller_url"),
    "POINTS400": Scenario(
        "the last carrier of the brand is not enabled for service points: a search that names it is 400",
        points="but_one_carrier",
    ),
    "POINTS403": Scenario("service points are not activated: searches are 403", points="none"),
    "POLLFOREIGN": Scenario("`download_url` names another host", polls=READY, foreign="download_url"),
    "POLLHTML": Scenario("every poll answers 200 with a web page", polls=READY, poll=always(HTMLResponse(PAGE))),
    "LABELGONE": Scenario("polls answer 404, and their token ends after 4 seconds", polls=(404,), poller_lifetime=4),
    "NONUMBER": Scenario("the label has no tracking number", polls=READY, absent="tracking_numbers"),
    "POLL429": Scenario(
        "the first poll is rate-limited (suffix R...: with Retry-After), then 202, then the label",
        polls=(429, 202, 200),
    ),
    "PDFPREFIX": Scenario("the label begins with printer codes", polls=READY, label=behind_printer_codes),
    "PDFHTML": Scenario("the label is a web page that calls itself a PDF", polls=READY, label=html_as_pdf),
    "PDFEMPTY": Scenario("the label is empty", polls=READY, label=empty),
    "PDFTRUNCATED": Scenario("the label ends before its announced length", polls=READY, label=truncated),
    "PDFCUT": Scenario("the label is chunked and ends cleanly, but is half a document", polls=READY, label=cut),
    "PDFNOLENGTH": Scenario("the label has no length and ends with the connection", polls=READY, label=without_length),
    "PDF100K": Scenario("the label has 100,000 bytes", polls=READY, label_bytes=100_000),
    "PDF20M": Scenario("the label has 20,000,000 bytes", polls=READY, label_bytes=20_000_000),
    "PDF2M": Scenario("the label has 2,000,000 bytes", polls=READY, label_bytes=2_000_000),
    "PDF30M": Scenario("the label has 30,000,000 bytes", polls=READY, label_bytes=30_000_000),
    "PDFONCE": Scenario("the label can be downloaded once, then 404", polls=READY, downloads=1),
}
