"""The figures of a run as Markdown, and memory as a picture."""

import os
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.soak.books import Books
from bench.soak.samples import Sample, percentile, slope

REPORT, PICTURE = Path("docs/reports/soak.md"), Path("docs/reports/soak.svg")
WARM_UP = 0.3
"""Share of the run that no slope is taken of."""
SLICES = 5
WIDTH, HEIGHT, MARGIN = 800, 260, 40
COLOURS = ("#1b6ac9", "#c9501b", "#2a8f4a", "#7a3fb0")


@dataclass
class Run:
    """Everything that was seen: before the load, during it, and after a rest."""

    rate: float
    before: Sample
    samples: list[Sample]
    after: Sample
    books: Books
    offences: list[str]
    """Keys without an end, of no documented kind, or too long-lived."""

    @property
    def warm(self) -> list[Sample]:
        """The samples after warm-up."""
        return self.samples[int(len(self.samples) * WARM_UP) :]


def write(run: Run) -> None:
    """Writes the report and the picture, and prints where."""
    REPORT.parent.mkdir(exist_ok=True)
    PICTURE.write_text(picture(run.samples))
    REPORT.write_text("\n".join([*_opening(run), *_memory(run), *_rest(run), *_slices(run), *_answers(run), ""]))
    print(f"{REPORT}, {PICTURE}")  # noqa: T201  a command's output


def _opening(run: Run) -> list[str]:
    books, busy = run.books, [sample.busy for sample in run.samples]
    activities, faulty = books.done.total(), books.done["fault"] + books.done["leaver"]
    done = ", ".join(f"{number} {name}" for name, number in books.done.most_common())
    outages = ", ".join(f"{number} x {kind}" for kind, number in Counter(kind for _, kind in books.outages).items())
    text = f"""# Soak

Written by `make soak`: {run.samples[-1].at / 60:.1f} minutes on {time.strftime("%F")}.
{len(run.before.resident)} replicas, nginx, Valkey, the sandbox upstream and this load generator (rate {run.rate:g})
shared a machine of {os.cpu_count()} processors with other work.
Its load average was {min(busy):.1f} to {max(busy):.1f}.

| | |
| --- | --- |
| activities | {activities}: {done} |
| of them faults | {faulty / activities:.1%} |
| outages | {outages} |
| answers | {books.answers.total()} |
| answers that belonged to another caller, or were no label | {books.wrong} |
| keys without an end, of no documented kind, or too long-lived | {len(run.offences)} |
"""
    return text.splitlines()


def _memory(run: Run) -> list[str]:
    rows = []
    for number, (first, last) in enumerate(zip(run.before.resident, run.after.resident, strict=True)):
        growth, error = slope([(sample.at, sample.resident[number]) for sample in run.warm])
        most = max(sample.resident[number] for sample in run.samples)
        rows.append((number + 1, f"{first:.1f}", f"{most:.1f}", f"{last:.1f}", f"{growth:+.1f} ± {error:.1f}"))
    return [
        f"\n## Memory of the replicas\n\n![Resident memory]({PICTURE.name})\n",
        f"MiB; the slope is of the last {1 - WARM_UP:.0%} of the run, by least squares, with its standard error.",
        "A run of minutes cannot tell slow warm-up from a leak: 0.2 MiB in its last part are 2 MiB an hour.\n",
        *_table(("replica", "before", "at most", "after", "MiB an hour"), rows),
    ]


def _rest(run: Run) -> list[str]:
    names = sorted(run.before.totals | run.after.totals)
    most = {name: max(sample.totals.get(name, 0) for sample in run.samples) for name in names}
    rows: list[tuple[object, ...]] = [
        (name, *(f"{totals.get(name, 0):g}" for totals in (run.before.totals, most, run.after.totals)))
        for name in names
    ]
    keys, store = [sample.keys for sample in run.samples], [sample.store for sample in run.samples]
    rows += [
        ("keys in the store", run.before.keys, max(keys), run.after.keys),
        ("memory of the store, MiB", f"{run.before.store:.1f}", f"{max(store):.1f}", f"{run.after.store:.1f}"),
    ]
    return [
        "## Before, at most, and after a rest\n\nAll replicas together. Connections to the store stay open for reuse.",
        "Keys stay as long as returns and documents are kept.\n",
        *_table(("", "before", "at most", "after"), rows),
    ]


def _slices(run: Run) -> list[str]:
    size = len(run.samples) // SLICES
    parts = [run.samples[start : start + size] for start in range(0, size * SLICES, size)]
    return [
        "## Over time\n\nOf answers that were neither held nor asked to fail, through the gateway; ms.\n",
        *_table(("minutes", "answers", "p50", "p99", "tasks at most", "load average at most"), map(_slice, parts)),
    ]


def _slice(part: Sequence[Sample]) -> Sequence[object]:
    times = [each for sample in part for each in sample.times]
    tasks = max(sample.totals["bff_tasks"] for sample in part)
    busy = max(sample.busy for sample in part)
    minutes = f"{part[0].at / 60:.1f} to {part[-1].at / 60:.1f}"
    return (
        minutes,
        len(times),
        f"{percentile(times, 0.5):.0f}",
        f"{percentile(times, 0.99):.0f}",
        f"{tasks:g}",
        f"{busy:.1f}",
    )


def _answers(run: Run) -> list[str]:
    errors = [(seen, number) for seen, number in run.books.answers.most_common() if seen.code]
    rows = [(seen.cause or "**none**", seen.route, f"{seen.status} `{seen.code}`", number) for seen, number in errors]
    broken = [
        (name, error, cause or "**none**", number) for (name, error, cause), number in run.books.broken_off.items()
    ]
    return [
        "## Errors\n\nThe cause is the magic order asked for, or an outage within the eight seconds before.\n",
        *_table(("cause", "call", "answer", "times"), rows),
        "Activities that could not go on after such an answer, or were cut off:\n",
        *_table(("activity", "error", "cause", "times"), broken),
    ]


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [*("| " + " | ".join(map(str, line)) + " |" for line in lines), ""]


def picture(samples: Sequence[Sample]) -> str:
    """Resident memory of each replica over time, as SVG."""
    low = min(min(sample.resident) for sample in samples)
    high = max(max(sample.resident) for sample in samples) + 1
    last = samples[-1].at

    def spot(sample: Sample, number: int) -> str:
        x = MARGIN + sample.at / last * (WIDTH - 2 * MARGIN)
        y = HEIGHT - MARGIN - (sample.resident[number] - low) / (high - low) * (HEIGHT - 2 * MARGIN)
        return f"{x:.1f},{y:.1f}"

    lines = [
        f'<polyline fill="none" stroke="{COLOURS[number % len(COLOURS)]}" '
        f'points="{" ".join(spot(sample, number) for sample in samples)}"/>'
        for number in range(len(samples[0].resident))
    ]
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">
<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>
{"".join(lines)}
<text x="4" y="{MARGIN - 8}">{high:.0f} MiB</text>
<text x="4" y="{HEIGHT - MARGIN + 16}">{low:.0f} MiB, 0 min</text>
<text x="{WIDTH - 60}" y="{HEIGHT - MARGIN + 16}">{last / 60:.0f} min</text>
</svg>
"""
