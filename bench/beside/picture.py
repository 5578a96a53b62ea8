"""Ratios as bars, hand-made SVG."""

import math
from collections.abc import Sequence
from html import escape

from bench.beside.results import Result, Spread

WIDTH, ROW, TOP, TEXT = 900, 34, 40, 430
LOW, HIGH = 0.01, 100.0
"""The ends of the scale, which is logarithmic."""
MET, MISSED, NO_GOAL = "#2a8f4a", "#c9501b", "#999"


def picture(results: Sequence[Result]) -> str:
    """A bar from 1x to the median for each ratio, a line from the least to the most, and a mark for each goal."""
    shown = [(result, result.ratio) for result in results if result.ratio]
    height = TOP + ROW * len(shown) + 20
    bars = "\n".join(_bar(result, ratio, TOP + ROW * number) for number, (result, ratio) in enumerate(shown))
    grid = "\n".join(_line(ratio, height) for ratio in (0.01, 0.1, 1, 10, 100))
    size = f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13"'
    return f"""<svg xmlns="http://www.w3.org/2000/svg" {size}>
<rect width="{WIDTH}" height="{height}" fill="white"/>
{grid}
{bars}
</svg>
"""


def _at(ratio: float) -> float:
    """Where this ratio stands, in pixels from the left."""
    share = math.log(min(max(ratio, LOW), HIGH) / LOW) / math.log(HIGH / LOW)
    return TEXT + share * (WIDTH - TEXT - 30)


def _line(ratio: float, height: int) -> str:
    colour = "#555" if ratio == 1 else "#ccc"
    x = _at(ratio)
    return (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 10}" y2="{height - 10}" stroke="{colour}"/>'
        f'<text x="{x:.1f}" y="{TOP - 16}" text-anchor="middle">{ratio:g}x</text>'
    )


def _bar(result: Result, ratio: Spread, y: int) -> str:
    left, right = sorted((_at(1), _at(ratio.median)))
    colour = (MET if all(goal.met for goal in result.goals) else MISSED) if result.goals else NO_GOAL
    goals = "".join(
        f'<path d="M{_at(goal.at):.1f} {y} v22" stroke="black" stroke-width="2"/>' for goal in result.goals if goal.at
    )
    return (
        f'<text x="8" y="{y + 15}">{escape(f"{result.row}  {result.what}")}</text>'
        f'<rect x="{left:.1f}" y="{y + 3}" width="{right - left:.1f}" height="16" fill="{colour}"/>'
        f'<path d="M{_at(ratio.least):.1f} {y + 11} H{_at(ratio.most):.1f}" stroke="black"/>{goals}'
    )
