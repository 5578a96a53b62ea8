"""The page of each problem, for people; it loads nothing."""

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from html import escape

from app.http.problem_types import ProblemType
from app.models.fields import Json
from app.models.problems import ProblemKind

_STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 42rem; margin: 2rem auto; padding: 0 1rem; }
:root { color-scheme: light dark; }
h2 { font-size: 1.1rem; margin-bottom: 0; }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
PAGE_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page may use its own style and nothing else."""
ANY_CALL = "Any call may answer it; none names it."
_WEIGHT = re.compile(r"\s*(text/html|application/json)\s*(?:;\s*q=([01](?:\.\d{0,3})?)\s*)?", re.IGNORECASE)


def documented(kind: ProblemType, description: Json) -> ProblemKind:
    """The whole documentation of a problem; `description` is the OpenAPI document, which knows the calls."""
    return ProblemKind(**kind._asdict(), calls=list(_calls(kind, description)))


def _calls(kind: ProblemType, description: Json) -> Iterator[str]:
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            answer = operation["responses"].get(str(int(kind.status)), {})
            if f"`{kind.code}`" in answer.get("description", ""):
                yield f"{method.upper()} {path}"


def prefers_html(accept: str) -> bool:
    """Whether this Accept header names HTML, and JSON less or not at all."""
    weights = {"text/html": 0.0, "application/json": 0.0}
    for each in accept.split(","):
        found = _WEIGHT.fullmatch(each)
        if found:
            weights[found[1].lower()] = float(found[2] or 1)
    return weights["text/html"] > weights["application/json"]


def sections(problem: ProblemKind) -> Mapping[str, str]:
    """The texts of its page by heading."""
    return {"When it happens": problem.when, "What helps": problem.detail, "In a front end": problem.front_end}


def status_line(problem: ProblemKind) -> str:
    """Its status, and whether repeating can help."""
    return f"status {problem.status}, {'' if problem.retryable else 'not '}retryable"


def page(problem: ProblemKind) -> str:
    """The problem as an HTML document."""
    chapters = "".join(f"<h2>{escape(name)}</h2>\n<p>{escape(text)}</p>\n" for name, text in sections(problem).items())
    calls = "".join(f"<li><code>{escape(each)}</code></li>\n" for each in problem.calls)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(problem.title)}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>{_STYLE}</style>\n</head>\n'
        f"<body>\n<main>\n<h1>{escape(problem.title)}</h1>\n"
        f"<p><code>{escape(problem.code)}</code>: {escape(status_line(problem))}</p>\n{chapters}"
        f"<h2>Calls that name it</h2>\n{f'<ul>{calls}</ul>' if calls else f'<p>{ANY_CALL}</p>'}\n"
        "</main>\n</body>\n</html>\n"
    )
