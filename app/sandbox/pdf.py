"""A small, valid PDF, and streams of any size that still are one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

PADDING_PIECE = b"." * 65536


@dataclass(frozen=True)
class Pdf:
    """A document as `prefix`, `padding` filler bytes and `suffix`, so that a big one needs no memory."""

    prefix: bytes
    padding: int
    suffix: bytes

    @property
    def size(self) -> int:
        """Bytes in the whole document."""
        return len(self.prefix) + self.padding + len(self.suffix)

    def pieces(self) -> Iterator[bytes]:
        """The document in pieces of at most 64 KiB of filler."""
        yield self.prefix
        for start in range(0, self.padding, len(PADDING_PIECE)):
            yield PADDING_PIECE[: self.padding - start]
        yield self.suffix

    def __bytes__(self) -> bytes:
        return b"".join(self.pieces())


def draw(pages: Sequence[Sequence[str]], size: int = 0) -> Pdf:
    """One A6 page per entry of `pages`, with its lines as text; padded to `size` bytes where that is more."""
    objects = _page_objects(pages)
    # The length has a fixed width, so padding moves no offset and the first draft tells what is missing.
    document = _assemble(objects, 0)
    return _assemble(objects, max(0, size - document.size))


def _page_objects(pages: Sequence[Sequence[str]]) -> list[bytes]:
    """Objects 1 to n: catalogue, page tree, font, then a page and its content for each entry."""
    numbers = [4 + 2 * index for index in range(len(pages))]
    kids = " ".join(f"{number} 0 R" for number in numbers)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for number, lines in zip(numbers, pages, strict=True):
        content = _text(lines)
        objects += [
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 298 420] /Resources << /Font << /F1 3 0 R >> >> "
            b"/Contents %d 0 R >>" % (number + 1),
            b"<< /Length %d >>\nstream\n%b\nendstream" % (len(content), content),
        ]
    return objects


def _text(lines: Sequence[str]) -> bytes:
    shown = [line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)") for line in lines]
    operators = " T* ".join(f"({line}) Tj" for line in shown)
    return f"BT /F1 14 Tf 20 TL 30 370 Td {operators} ET".encode("cp1252", "replace")


def _assemble(objects: Sequence[bytes], padding: int) -> Pdf:
    """The last object is an unreferenced stream that takes the padding, with a length of fixed width."""
    # Bytes above 127 in the second line tell transfer programs that the file is binary.
    body = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, content in enumerate([*objects, b"<< /Length %010d >>\nstream" % padding], start=1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%b\n" % (number, content)
        if number <= len(objects):
            body += b"endobj\n"
    after = b"\nendstream\nendobj\n"
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    count = len(offsets) + 1
    trailer = b"xref\n0 %d\n0000000000 65535 f \n%btrailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%010d\n%%%%EOF\n" % (
        count,
        table,
        count,
        len(body) + padding + len(after),
    )
    return Pdf(bytes(body), padding, after + trailer)
