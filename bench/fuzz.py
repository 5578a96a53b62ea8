"""`make fuzz`: five thousand cases from the API description against a stack of its own, and what came of them."""  # noqa: INP001  a script, no package

import asyncio
import sys
from collections import Counter

from tests.support.fuzzing import Findings, fuzzed
from tests.support.processes import running_bff, running_valkey
from tests.support.sandbox import running_sandbox

EXAMPLES, CHAINS = 180, 15
"""More than 5,000 cases in all."""
PHASES = ("examples", "coverage", "fuzzing", "stateful")


async def run() -> int:
    """Prints what a service with short deadlines answered; how many of its answers are wrong."""
    async with (
        running_valkey() as valkey,
        running_sandbox() as sandbox,
        running_bff(
            valkey.url,
            sandbox,
            lookup_deadline=1,
            create_deadline=2,
            create_lease=4,
            poll_deadline=3,
            poll_interval=0.1,
        ) as bff,
    ):
        found = await asyncio.to_thread(fuzzed, str(bff.http.base_url), EXAMPLES, CHAINS)
        print("\n".join(report(found)))  # noqa: T201  it is what was asked for
        return len(found.failures)


def report(found: Findings) -> list[str]:
    """Two tables in Markdown and the failures."""
    operations = sorted({operation for operation, _ in found.cases})
    lines = [f"| operation | {' | '.join(PHASES)} | all |", "|---" * (len(PHASES) + 2) + "|"]
    for operation in operations:
        counts = [found.cases[operation, phase] for phase in PHASES]
        lines.append(f"| `{operation}` | {' | '.join(map(str, counts))} | {sum(counts)} |")
    lines += [f"| all | | | | | {found.cases.total()} |", "", "| operation | answers |", "|---|---|"]
    for operation in operations:
        seen = Counter({status: n for (each, status), n in found.statuses.items() if each == operation})
        lines.append(f"| `{operation}` | {', '.join(f'{status}: {n}' for status, n in sorted(seen.items()))} |")
    return [*lines, "", f"Failures: {len(found.failures)}", *found.failures]


if __name__ == "__main__":
    sys.exit(bool(asyncio.run(run())))
