"""Results as text."""

from collections.abc import Iterable, Sequence

from bench.beside.results import Goal, Result

HEAD = ("row", "what", "we", "peer", "ratio (min - max)", "first goal", "then", "errors, ours / peer's")


def table(results: Sequence[Result]) -> list[str]:
    """A Markdown table with a line for each result."""
    rows: Iterable[Sequence[str]] = [HEAD, ["---"] * len(HEAD), *map(_row, results)]
    return ["| " + " | ".join(row) + " |" for row in rows]


def _row(result: Result) -> Sequence[str]:
    first, then, *_ = [*map(_goal, result.goals), "", ""]
    ratio = result.ratio
    spread = f"**{ratio.median:.2f}** ({ratio.least:.2f} - {ratio.most:.2f})" if ratio else ""
    errors = f"{result.errors} / {result.peer_errors}"
    return result.row, result.what, result.ours, result.theirs, spread, first, then, errors


def _goal(goal: Goal) -> str:
    return f"{goal.text}: {'met' if goal.met else '**missed**'}"
