"""A document on its way: only a whole PDF of a bearable size ends cleanly."""

from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.documents.download import END_WITHIN_BYTES, MAX_BYTES, Pdf
from app.errors import BadUpstream
from app.upstream import Document

WHOLE = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\n%%EOF\n"
MIB = bytes(1024 * 1024)


async def arriving(chunks: Sequence[bytes]) -> AsyncIterator[bytes]:
    """The chunks as they come."""
    for chunk in chunks:
        yield chunk


async def passed_on(pdf: Pdf) -> tuple[bytes, bool]:
    """The bytes that come out, and whether they end cleanly."""
    received = bytearray()
    try:
        async for chunk in pdf:
            received += chunk
    except BadUpstream:
        return bytes(received), False
    return bytes(received), True


async def read(*chunks: bytes, length: int | None = None) -> bytes:
    """The whole document, which ends cleanly."""
    received, clean = await passed_on(await Pdf.begin(Document(length, arriving(chunks))))
    assert clean
    return received


@pytest.mark.parametrize("length", [None, len(WHOLE)])
async def test_whole_document(length: int | None) -> None:
    """A PDF comes through unchanged, announced or not."""
    assert await read(WHOLE[:10], WHOLE[10:], length=length) == WHOLE


@pytest.mark.parametrize("length", [None, 36])
async def test_length_is_passed_on(length: int | None) -> None:
    """The announced length is known before the first byte is read."""
    assert (await Pdf.begin(Document(length, arriving([WHOLE])))).length == length


@given(st.lists(st.integers(1, 12), min_size=1, max_size=40))
async def test_any_chunks(sizes: list[int]) -> None:
    """Where the network cuts the document does not matter, not even inside its first and last words."""
    chunks, start = [], 0
    for size in sizes:
        chunks.append(WHOLE[start : start + size])
        start += size
    whole = [chunk for chunk in [*chunks, WHOLE[start:]] if chunk]
    assert await read(*whole) == WHOLE


@pytest.mark.parametrize(
    "chunks",
    [
        [],
        [b""],
        [b"%PDF"],
        [b"%", b"P", b"D", b"F"],
        [b"<!doctype html>"],
        [b"<", b"html>%PDF-1.4 %%EOF"],
        [b"alert(1)//%PDF-1.4 %%EOF"],
        [b"GIF89a%PDF-1.4 %%EOF"],
        [b"\n" * 1025, b"%PDF-1.4 %%EOF"],
        [b"@PJL SET NAME=<script>\n%PDF-1.4 %%EOF"],
        [b"\x1b%-12345X@PJL ENTER LANGUAGE=PDF"],
        [b"%pdf-1.4 %%EOF"],
        [b"{}"],
    ],
)
async def test_no_pdf(chunks: list[bytes]) -> None:
    """An answer that is empty or does not start like a PDF is refused before anything is passed on."""
    with pytest.raises(BadUpstream):
        await Pdf.begin(Document(None, arriving(chunks)))


@pytest.mark.parametrize(
    "before",
    [
        b" ",
        b"\r\n",
        b"\xef\xbb\xbf",
        b"\xef\xbb\xbf\r\n\0",
        b"\n" * 1024,
        b"\x1bE",
        b"\x1b%-12345X@PJL JOB\r\n@PJL SET COPIES=1\n@PJL ENTER LANGUAGE=PDF\r\n",
        b"\x1bE\x1b&l26A\x1b&l1H\x1b%-12345X",
    ],
)
@pytest.mark.parametrize("cut", [1, 3, 2000])
async def test_what_may_stand_before_a_pdf(before: bytes, cut: int) -> None:
    """Blanks, a byte order mark and printer codes before a PDF are left out, and its length is the one without them."""
    chunks = [(before + WHOLE)[start : start + cut] for start in range(0, len(before + WHOLE), cut)]
    pdf = await Pdf.begin(Document(len(before + WHOLE), arriving(chunks)))
    assert (pdf.length, await passed_on(pdf)) == (len(WHOLE), (WHOLE, True))


async def test_announced_too_large() -> None:
    """A document announced with more than 25 MiB is refused before anything is passed on."""
    with pytest.raises(BadUpstream):
        await Pdf.begin(Document(MAX_BYTES + 1, arriving([WHOLE])))


@pytest.mark.parametrize("announced", [MAX_BYTES, 100, None])
async def test_counted_too_large(announced: int | None) -> None:
    """A document that turns out larger than 25 MiB is cut, whatever its announced length."""
    chunks = [WHOLE, *[MIB] * 24, MIB[len(WHOLE) :]]
    pdf = await Pdf.begin(Document(announced, arriving([*chunks, b"\n%%EOF"])))
    assert await passed_on(pdf) == (b"".join(chunks), False)


async def test_largest_document() -> None:
    """A document of exactly 25 MiB is delivered."""
    end = MIB[len(WHOLE) + 5 :] + b"%%EOF"
    assert len(await read(WHOLE, *[MIB] * 24, end)) == MAX_BYTES


@pytest.mark.parametrize(
    "chunks", [[b"%PDF-1.4\n"], [b"%PDF-1.4\n", b"1 0 obj\n%%EO"], [WHOLE, b"x" * END_WITHIN_BYTES]]
)
async def test_cut_off(chunks: list[bytes]) -> None:
    """Without an announced length a document has to end like a PDF, or it counts as cut off after its last byte."""
    pdf = await Pdf.begin(Document(None, arriving(chunks)))
    assert await passed_on(pdf) == (b"".join(chunks), False)


@pytest.mark.parametrize(
    "chunks",
    [
        [WHOLE, b"x" * (END_WITHIN_BYTES - 6)],
        [WHOLE[:-4], b"EOF\n"],
        [WHOLE, b"\r\n", b"\n"],
        [WHOLE, bytes(5000), bytes(5000)],
        [WHOLE + bytes(5000)],
        [WHOLE[:-4], b"EOF" + bytes(5000)],
    ],
)
async def test_end_near_the_end(chunks: list[bytes]) -> None:
    """The last word may be followed by a little and by any number of NULs, and may come in two pieces."""
    assert await read(*chunks) == b"".join(chunks)


async def test_announced_document_needs_no_last_word() -> None:
    """With an announced length the length alone tells whether the document is whole."""
    assert await read(b"%PDF-1.4", length=8) == b"%PDF-1.4"
