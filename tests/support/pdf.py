"""Documents as their readers see them."""

import io

from pypdf import PdfReader


def pages(content: bytes) -> list[str]:
    """The text of every page of this PDF, which fails to read if anything of it is damaged."""
    return [page.extract_text() for page in PdfReader(io.BytesIO(content), strict=True).pages]
