"""`make docs`: the pages of the problems, and their index, from the one table in app/http/problem_types."""

import re
from collections.abc import Mapping
from pathlib import Path

from app.http.problem_types import ALL_PROBLEM_TYPES
from app.http.problem_types.pages import ANY_CALL, documented, sections, status_line
from app.main import api
from app.models.problems import ProblemKind

INDEX = Path("docs/problems.md")
PAGES = Path("docs/problems")
HEAD = "| code | status | retryable | meaning | what helps |\n|---|---|---|---|---|\n"


def documents() -> Mapping[Path, str]:
    """What each file has to hold; of the index the table is made, the words around it stay."""
    description = api().openapi()
    problems = [documented(kind, description) for kind in ALL_PROBLEM_TYPES.values()]
    before, after = re.split(r"(?:^\|.*\n)+", INDEX.read_text("utf-8"), flags=re.MULTILINE)
    pages = {PAGES / f"{problem.code}.md": page(problem) for problem in problems}
    return {INDEX: before + HEAD + "".join(map(row, problems)) + after, **pages}


def row(problem: ProblemKind) -> str:
    """The problem in the index."""
    retryable = "yes" if problem.retryable else "no"
    link = f"[`{problem.code}`](problems/{problem.code}.md)"
    return f"| {link} | {problem.status} | {retryable} | {problem.title} | {problem.detail} |\n"


def page(problem: ProblemKind) -> str:
    """The problem on its own, in Markdown."""
    chapters = "".join(f"## {name}\n\n{text}\n\n" for name, text in sections(problem).items())
    calls = "".join(f"* `{each}`\n" for each in problem.calls) or f"{ANY_CALL}\n"
    return (
        f"# {problem.title}\n\n`{problem.code}`: {status_line(problem)}\n\n{chapters}## Calls that name it\n\n{calls}"
        "\n[All problems](../problems.md)\n"
    )


if __name__ == "__main__":
    written = documents()
    PAGES.mkdir(exist_ok=True)
    for stale in set(PAGES.glob("*.md")) - set(written):
        stale.unlink()
    for path, text in written.items():
        path.write_text(text, "utf-8")
