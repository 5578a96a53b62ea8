"""Hostile answers of the upstream through the real service: no other host is called, nothing leaks or crashes."""

import gzip
import itertools
import json
import os
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

import httpx
import jwt
import pytest
import pytest_asyncio

from tests.support import samples, scripted_upstream
from tests.support.hostile_urls import HOSTILE, naming, served
from tests.support.malformed import MALFORMED, SECRET, WIRES
from tests.support.output import ANSWER_CUT
from tests.support.processes import Bff, Valkey, running_bff
from tests.support.raw_server import Behaviour, RawServer, answer, fin, raw_server, saying
from tests.support.sandbox import SandboxProcess
from tests.support.scripted_upstream import Heard, ScriptedUpstream, always
from tests.support.shopper import Shopper, told

BRAND = "my-shop"
SOME = {
    name: MALFORMED[name]
    for name in (
        *(
            "nothing",
            "NaN inside",
            "wrong types",
            "half a surrogate pair",
            "deep lists",
            "more than a mebibyte",
            "UTF-16",
        ),
        *("gzip, encoded", "RST", "only interim answers", "length too short", "chunk that lies", "odd code"),
    )
}
LEADING_AWAY = [url for url in HOSTILE if "evil.example" in url or ":4444" in url][::16]
WIRED = list(WIRES)[::14]
"""Some of each: the client meets all of them in tests/contract and tests/unit."""
UPSTREAMS_FAULT = {(502, "bad-upstream"), (502, "upstream-refused"), (503, "upstream-unavailable")}
GOOD_ONES = 3
"""Calls that go well after each that did not, a second try included: the breaker must not open."""


THEIRS = "".join(
    f"{name}: {SECRET}\r\n"
    for name in (
        *("set-cookie", "location", "content-disposition", "content-type", "access-control-allow-origin", "link"),
        *("etag", "server", "cache-control", "refresh", "x-request-id", "retry-after", "content-security-policy"),
        SECRET,
    )
)


@dataclass
class Stage:
    """The service, its scripted upstream, and another host."""

    valkey: Valkey
    bff: Bff
    upstream: ScriptedUpstream
    elsewhere: RawServer
    parcels: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def served(self, url: str) -> str:
        """The hostile URL as it reads here."""
        return served(url, self.upstream.port, self.elsewhere.port)

    def url(self, kind: str, token: object, brand: str = BRAND) -> str:
        """The upstream's own URL for this token."""
        return f"{self.upstream.url}/brand/{brand}/return-portal/label/{kind}?token={token}"

    async def look_up(self, brand: str = BRAND) -> httpx.Response:
        """The answer to a lookup."""
        wanted = {"identifier": "A-1001", "postal_code": "5611 AA", "token_delivery": "body"}
        return await self.bff.http.post(f"/v1/brands/{brand}/sessions", json=wanted)

    async def shopper(self) -> Shopper:
        """A shopper with very many shirts, from a parcel of its own."""
        shirts = [samples.product(quantity=1000)]
        self.upstream.say(outgoing=scripted_upstream.outgoing({"id": next(self.parcels)}, products=shirts))
        return self.someone(await self.look_up())

    async def labelled(self, someone: Shopper) -> str:
        """Where a return is that has a label."""
        self.upstream.say(incoming=scripted_upstream.created(poller_url=self.url("polling", "p")))
        created = await someone.create(someone.body("pickup"))
        assert created.status_code == 202, created.text
        location: str = created.headers["location"]
        assert (await someone.settled(location))["state"] == "label_ready"
        return location

    async def recover(self) -> None:
        """As many good calls of each class as keep the breakers from opening."""
        await self.valkey.forget_upstream_pauses()
        self.upstream.say(download=b"%PDF-1.7\n%%EOF\n", polling=scripted_upstream.label())
        for _ in range(GOOD_ONES):
            someone = await self.shopper()
            location = await self.labelled(someone)
            assert (await someone.get(f"{location}/label")).status_code == 200

    def someone(self, looked_up: httpx.Response) -> Shopper:
        """The shopper whose lookup was answered so."""
        screen = looked_up.raise_for_status().json()
        return Shopper(self.bff.http, screen, {"Authorization": f"Bearer {screen['session_token']}"})


@pytest_asyncio.fixture(scope="module", name="stage")
async def _stage(store: Valkey, sandbox: SandboxProcess) -> AsyncIterator[Stage]:
    async with scripted_upstream.scripted_upstream() as upstream, raw_server(answer(200)) as elsewhere:
        urls = {"upstream_url": upstream.url, "service_points_url": upstream.url}
        brands = ",".join([BRAND, *(f"shop-{number}" for number in range(10))])
        async with running_bff(store.url, sandbox, brands=brands, poll_interval=0.05, **urls) as bff:
            yield Stage(store, bff, upstream, elsewhere)


@pytest.fixture(autouse=True)
def well_meant(stage: Stage) -> None:
    """Before each test the upstream answers as it should."""
    stage.upstream.say(return_portal=scripted_upstream.settings(), outgoing=scripted_upstream.outgoing())
    stage.upstream.say(incoming=scripted_upstream.created(), polling=scripted_upstream.label(), service_points=[])


def stating(document: object) -> Behaviour:
    """A good status and this JSON."""
    return answer(200, json.dumps(document).encode())


def next_of(said: Iterator[object], _: Heard) -> Behaviour:
    """What is to be said next."""
    return stating(next(said))


def with_their_headers(content: bytes, _: Heard) -> Behaviour:
    """A good status, this content, and headers that we would not want."""
    return answer(200, content, headers=THEIRS)


# URLs


async def test_hostile_poller_urls(stage: Stage) -> None:
    """A creation that names such a URL is accepted without a label through us; no host is polled."""
    someone = await stage.shopper()
    for url in LEADING_AWAY:
        created, polled = len(stage.upstream.requests_for("incoming")), len(stage.upstream.requests_for("polling"))
        stage.upstream.say(incoming=scripted_upstream.created(poller_url=stage.served(url)))
        created_one = await someone.create(someone.body("pickup"))
        assert (created_one.status_code, created_one.json()["state"]) == (202, "accepted"), url
        assert len(stage.upstream.requests_for("incoming")) == created + 1
        assert len(stage.upstream.requests_for("polling")) == polled
        for _ in range(GOOD_ONES):
            await stage.labelled(someone)
    assert stage.elsewhere.connections == 0


async def test_hostile_label_urls(stage: Stage) -> None:
    """A look that names one for the label changes nothing; for the customs declaration it counts as absent."""
    someone = await stage.shopper()
    for url in LEADING_AWAY:
        customs = {"customs_declaration_url": stage.served(url)}
        odd = scripted_upstream.label(download_url=naming("download", stage.served(url)))
        said = iter([odd, *[scripted_upstream.label(download_url=stage.url("download", "d"), **customs)] * GOOD_ONES])
        stage.upstream.do(polling=partial(next_of, said))
        location = await stage.labelled(someone)
        assert (await someone.get(location)).json()["customs_declaration"] is None
        declaration = await someone.get(f"{location}/customs-declaration")
        assert told(declaration) == (404, "customs-declaration-not-found")
        assert len([*said]) == GOOD_ONES - 1
        stage.upstream.say(polling=scripted_upstream.label())
        await stage.labelled(someone)
    assert stage.elsewhere.connections == 0


@pytest.mark.parametrize("status", [302, 307])
async def test_redirects(stage: Stage, status: int) -> None:
    """A redirect of any call is the upstream's fault, and is not followed."""
    someone = await stage.shopper()
    stage.upstream.say(incoming=scripted_upstream.created(poller_url=stage.url("polling", "p")))
    ready = (await someone.create(someone.body("pickup"))).headers["location"]
    assert (await someone.settled(ready))["state"] == "label_ready"
    away = answer(status, headers=f"location: http://127.0.0.1:{stage.elsewhere.port}/\r\n")
    calls = ("return_portal", "outgoing", "incoming", "download", "service_points", "check_availability")
    stage.upstream.do(**dict.fromkeys(calls, always(away)))
    found = [
        await stage.look_up(),
        await stage.bff.http.get(f"/v1/brands/shop-{status - 300}/portal"),
        await someone.get("/v1/service-points?radius=777"),
        await someone.get(f"{ready}/label"),
    ]
    assert [told(each) for each in found] == [(502, "bad-upstream")] * 4
    assert told(await someone.create(someone.body("pickup"))) == (504, "return-outcome-unknown")
    assert stage.elsewhere.connections == 0
    await stage.recover()


# Malformed answers


@pytest.mark.parametrize("name", SOME)
async def test_malformed_lookups(stage: Stage, name: str) -> None:
    """Any fault in the answer to a lookup gives a problem that blames the upstream, and no session."""
    stage.upstream.do(outgoing=always(SOME[name]))
    response = await stage.look_up()
    await stage.valkey.forget_upstream_pauses()
    # A 400 that names no code may be about the order as well.
    assert told(response) in UPSTREAMS_FAULT | {(409, "not-returnable-now")}
    assert SECRET not in response.text
    assert "set-cookie" not in response.headers
    for _ in range(GOOD_ONES):
        await stage.shopper()


@pytest.mark.parametrize("name", SOME)
async def test_malformed_creations(stage: Stage, name: str) -> None:
    """With any fault in its answer, a creation was sent once and is not reported as accepted."""
    someone, heard = await stage.shopper(), len(stage.upstream.requests_for("incoming"))
    stage.upstream.do(incoming=always(SOME[name]))
    response = await someone.create(someone.body("pickup"))
    assert told(response) in {(504, "return-outcome-unknown"), (422, "return-refused"), (503, "upstream-unavailable")}
    assert SECRET not in response.text
    assert len(stage.upstream.requests_for("incoming")) == heard + 1
    await stage.valkey.forget_upstream_pauses()
    for _ in range(GOOD_ONES):
        await stage.labelled(someone)


@pytest.mark.parametrize("name", WIRED)
async def test_malformed_looks_and_labels(stage: Stage, name: str) -> None:
    """A look that is malformed changes nothing, a label that is malformed is none, and afterwards both work."""
    someone, looks = await stage.shopper(), len(stage.upstream.requests_for("polling"))
    # Twice, since reads get a second try; no more, or the breaker would open.
    odd, ready = iter([WIRES[name]] * 2), stating(scripted_upstream.label(download_url=stage.url("download", "d")))
    stage.upstream.do(polling=lambda _: next(odd, ready), download=always(WIRES[name]))
    stage.upstream.say(incoming=scripted_upstream.created(poller_url=stage.url("polling", "p")))
    location = (await someone.create(someone.body("pickup"))).headers["location"]
    assert (await someone.settled(location))["state"] == "label_ready"
    assert len(stage.upstream.requests_for("polling")) == looks + 3
    assert told(await someone.get(f"{location}/label")) in UPSTREAMS_FAULT
    stage.upstream.say(download=b"%PDF-1.7\n%%EOF\n")
    assert (await someone.get(f"{location}/label")).content == b"%PDF-1.7\n%%EOF\n"
    await stage.recover()


# Tokens


def ending(seconds: int) -> str:
    """A token that ends in so many seconds."""
    return jwt.encode({"exp": int(time.time()) + seconds}, "0" * 32)


@pytest.mark.parametrize(("token_seconds", "seconds"), [(10**9, 3600), (100_000, 3600), (900, 900)])
@pytest.mark.parametrize("name", ["access_token", "service_points_token"])
async def test_a_session_ends_with_its_tokens(stage: Stage, name: str, token_seconds: int, seconds: int) -> None:
    """The expiry of a token can make a session shorter, but never longer than the settings allow."""
    stage.upstream.say(outgoing=scripted_upstream.outgoing() | {name: ending(token_seconds)})
    screen = (await stage.look_up()).raise_for_status().json()
    left = datetime.fromisoformat(screen["expires_at"]) - datetime.now(UTC)
    assert seconds - 300 < left.total_seconds() <= seconds


@pytest.mark.parametrize("seconds", [-1, -(10**9), -(10**10)])
async def test_no_session_from_a_token_that_has_ended(stage: Stage, seconds: int) -> None:
    """A lookup whose token has expired makes no session."""
    stage.upstream.say(outgoing=scripted_upstream.outgoing() | {"access_token": ending(seconds)})
    assert told(await stage.look_up()) == (502, "bad-upstream")
    await stage.recover()


async def test_a_token_for_service_points_that_has_ended(stage: Stage) -> None:
    """A token for service points that has ended counts as none: the order opens as long as any; it is not sent."""
    stage.upstream.say(outgoing=scripted_upstream.outgoing() | {"service_points_token": ending(-1)})
    someone = stage.someone(await stage.look_up())
    left = datetime.fromisoformat(someone.screen["expires_at"]) - datetime.now(UTC)
    assert 3300 < left.total_seconds() <= 3600
    assert told(await someone.get("/v1/service-points")) == (502, "bad-upstream")


# Documents

PDF = b"%PDF-1.7\n" + bytes(200_000)
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
MIB = b"100000\r\n" + bytes(1024 * 1024) + b"\r\n"
ZIPPED = "content-encoding: gzip\r\n"
NO_PDF: dict[str, Behaviour] = {
    "nothing": answer(200, b""),
    "HTML": answer(200, b"<!doctype html><script>alert(1)</script>", headers="content-type: application/pdf\r\n"),
    "JavaScript": answer(200, b"alert(1)//%PDF-1.7\n%%EOF"),
    "SVG": answer(200, b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'),
    "HTML that is a PDF later": answer(200, b"<script>/*%PDF-1.7\n*/alert(1)</script>%%EOF"),
    "GIF that is a PDF later": answer(200, b"GIF89a%PDF-1.7\n%%EOF"),
    "ZIP that is a PDF later": answer(200, b"PK\x03\x04%PDF-1.7\n%%EOF"),
    "HTML with a BOM that is a PDF later": answer(200, b"\xef\xbb\xbf<!--%PDF-1.7\n%%EOF"),
    "PDF far behind": answer(200, b"\n" * 1025 + b"%PDF-1.7\n%%EOF"),
    "compressed HTML": answer(200, gzip.compress(b"<html>%PDF-1.7\n%%EOF"), headers=ZIPPED),
    "a compressed PDF, cut": answer(200, gzip.compress(b"%PDF-1.7\n%%EOF")[:-12], headers=ZIPPED),
    "a PDF that is said to be compressed": answer(200, b"%PDF-1.7\n%%EOF", headers=ZIPPED),
    "announced too large": fin(b"HTTP/1.1 200 OK\r\ncontent-length: 26214401\r\n\r\n" + PDF),
    "cut in its first word": fin(b"HTTP/1.1 200 OK\r\n\r\n%PD"),
    "cut soon, announced": fin(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n%PDF-1.7\n%%EOF"),
    "cut soon, not announced": fin(b"HTTP/1.1 200 OK\r\n\r\n%PDF-1.7\n"),
}
LONG = PDF * 10
"""More than all buffers on its way take: the end cannot overtake it."""
CUT: dict[str, Behaviour] = {
    "cut, announced": fin(b"HTTP/1.1 200 OK\r\ncontent-length: 3000000\r\n\r\n" + LONG),
    "cut, announced and large": fin(b"HTTP/1.1 200 OK\r\ncontent-length: 5000000\r\n\r\n" + LONG),
    "cut, not announced": fin(b"HTTP/1.1 200 OK\r\n\r\n" + LONG),
    "cut between chunks": fin(CHUNKED + b"%x\r\n" % len(LONG) + LONG + b"\r\n"),
    "no last word": saying(CHUNKED + b"%x\r\n" % len(LONG) + LONG + b"\r\n0\r\n\r\n"),
    "unpacks to too much": answer(200, gzip.compress(PDF + bytes(26 << 20) + b"%%EOF"), headers=ZIPPED),
    "compressed, cut": answer(200, gzip.compress(LONG + os.urandom(1 << 20) + b"%%EOF")[:-4], headers=ZIPPED),
    "too large in the end": fin(CHUNKED + b"9\r\n%PDF-1.7\n\r\n" + MIB * 25 + b"5\r\n%%EOF\r\n0\r\n\r\n"),
}


@pytest_asyncio.fixture(name="labels")
async def _labels(stage: Stage) -> AsyncIterator[AsyncGenerator[tuple[Shopper, str]]]:
    """Shoppers and their labels, as many as are wanted."""

    async def labels() -> AsyncGenerator[tuple[Shopper, str]]:
        someone = await stage.shopper()
        while True:
            yield someone, f"{await stage.labelled(someone)}/label"

    async with aclosing(labels()) as found:
        yield found


async def test_what_is_no_pdf(stage: Stage, labels: AsyncIterator[tuple[Shopper, str]]) -> None:
    """A document that does not begin like a PDF, or is soon known to be incomplete, becomes a problem document."""
    for name, behaviour in NO_PDF.items():
        someone, path = await anext(labels)
        stage.upstream.do(download=always(behaviour))
        response = await someone.get(path)
        assert told(response) == (502, "bad-upstream"), name
        assert b"%PDF" not in response.content, name


ODD_PDF: dict[str, Behaviour] = {
    "behind a line": answer(200, b"\r\n" + PDF),
    "behind a BOM": answer(200, b"\xef\xbb\xbf" + PDF),
    "behind printer codes": answer(200, b"\x1b%-12345X@PJL ENTER LANGUAGE=PDF\r\n" + PDF),
    "before NULs": fin(b"HTTP/1.1 200 OK\r\n\r\n" + PDF + b"%%EOF" + bytes(5000)),
    "compressed": answer(200, gzip.compress(PDF + b"%%EOF"), headers=ZIPPED),
    "compressed in chunks": fin(
        CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Encoding: GZIP\r\n\r\n")
        + b"%x\r\n%b\r\n0\r\n\r\n" % (len(ONCE := gzip.compress(PDF + b"%%EOF")), ONCE)
    ),
}


async def test_odd_pdfs_are_delivered(stage: Stage, labels: AsyncIterator[tuple[Shopper, str]]) -> None:
    """A PDF behind what readers skip, before NULs, or compressed though identity was asked for is a label."""
    for name, behaviour in ODD_PDF.items():
        someone, path = await anext(labels)
        stage.upstream.do(download=always(behaviour))
        for response in (await someone.get(path), await someone.get(path)):
            assert response.status_code == 200, name
            assert response.content.rstrip(b"\0").removesuffix(b"%%EOF").rstrip(b"\0") == PDF.rstrip(b"\0"), name


async def test_what_is_no_whole_pdf(stage: Stage, labels: AsyncIterator[tuple[Shopper, str]]) -> None:
    """A PDF found incomplete while it is sent is cut off, never ended cleanly; a later request gets a whole one."""
    stage.bff.process.expected.extend(ANSWER_CUT)
    for behaviour in CUT.values():
        someone, path = await anext(labels)
        stage.upstream.do(download=always(behaviour))
        with pytest.raises(httpx.RemoteProtocolError):
            await someone.get(path)
        stage.upstream.say(download=PDF + b"%%EOF")
        assert (await someone.get(path)).content == PDF + b"%%EOF"


async def test_a_pdf_is_handed_out_guarded(stage: Stage, labels: AsyncIterator[tuple[Shopper, str]]) -> None:
    """A document is saved and never shown, sniffed, cached or embedded, whatever its name upstream."""
    someone, path = await anext(labels)
    stage.upstream.do(download=partial(with_their_headers, PDF + b"<script>alert(1)</script>%%EOF"))
    headers = (await someone.get(path)).headers
    assert headers["content-type"] == "application/pdf"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "private, no-store"
    assert headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["content-disposition"] == f'attachment; filename="{path.split("/")[3]}.pdf"'


async def test_a_pdf_for_a_web_view_is_guarded(stage: Stage, labels: AsyncIterator[tuple[Shopper, str]]) -> None:
    """A document that is shown is still a PDF alone, that no other origin embeds and that loads nothing."""
    someone, path = await anext(labels)
    stage.upstream.do(download=partial(with_their_headers, PDF + b"<script>alert(1)</script>%%EOF"))
    headers = (await someone.get(f"{path}?disposition=inline")).headers
    assert headers["content-disposition"] == f'inline; filename="{path.split("/")[3]}.pdf"'
    assert headers["content-type"] == "application/pdf"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize("disposition", ["", "INLINE", 'inline; filename="x.html"', "inline\r\nx-evil: 1"])
async def test_a_disposition_is_one_of_two_words(labels: AsyncIterator[tuple[Shopper, str]], disposition: str) -> None:
    """Nothing that a caller writes into the query reaches a header."""
    someone, path = await anext(labels)
    answer = await someone.http.get(path, params={"disposition": disposition}, headers=someone.headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
    assert "content-disposition" not in answer.headers


# What our own answers are made of

OURS = {
    *("content-type", "content-length", "date", "server", "x-request-id", "x-content-type-options", "cache-control"),
    *("location", "retry-after", "content-disposition", "content-security-policy", "cross-origin-resource-policy"),
    *("transfer-encoding", "vary", "etag", "ratelimit", "ratelimit-policy"),
}
ODD_NAME = f"{SECRET}\r\nSet-Cookie: a=b\r\n\r\n\0\u20ac\U0001f600\xe9\u202e"


async def test_no_upstream_text_gets_into_our_headers(stage: Stage) -> None:
    """Neither the upstream's headers nor its names, line breaks and all, are in any header of ours."""
    names = dict.fromkeys(("name", "city", "order_number", "tracking_number"), ODD_NAME)
    brand = {"id": 1, "name": ODD_NAME, "domain": ODD_NAME}
    said: dict[str, object] = {
        "return_portal": scripted_upstream.settings(brand=brand),
        "outgoing": scripted_upstream.outgoing(names, products=[samples.product(id=ODD_NAME, name=ODD_NAME)]),
        "incoming": scripted_upstream.created(poller_url=stage.url("polling", "p", "shop-9")),
        "polling": scripted_upstream.label(
            download_url=stage.url("download", "d", "shop-9"), tracking_numbers=[ODD_NAME]
        ),
    }
    bodies = {call: json.dumps(document).encode() for call, document in said.items()} | {"download": b"%PDF-1 %%EOF"}
    stage.upstream.do(**{call: partial(with_their_headers, content) for call, content in bodies.items()})
    looked_up = await stage.look_up("shop-9")
    someone = stage.someone(looked_up)
    created = await someone.create(someone.body("pickup"))
    location = created.headers["location"]
    await someone.settled(location)
    places = (location, f"{location}/label", "/v1/session", "/v1/brands/shop-9/portal")
    found = [looked_up, created, *[await someone.get(path) for path in places]]
    assert [each.status_code for each in found] == [201, 202, 200, 200, 200, 200]
    for response in found:
        assert {*response.headers} <= OURS
        assert SECRET not in str(response.headers.raw)
        assert not [value for _, value in response.headers.raw if not re.fullmatch(rb"[ -~]*", value)]


def test_nothing_was_a_fault_of_ours(stage: Stage) -> None:
    """After all of this the log shows no unforeseen error, no traceback, and none of the upstream's words."""
    logged = stage.bff.process.output.read_text()
    lines = [json.loads(line) for line in logged.splitlines()]
    assert {(line["error"], line["answer_cut"]) for line in lines if line["event"] == "failed"} <= {
        ("BadUpstream", True)
    }
    assert not [line for line in lines if line.get("status") == 500]
    assert SECRET not in logged
