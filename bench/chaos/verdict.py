"""What is left when all faults have ended: doubts are settled by an operator who reads the upstream's ledger."""

import asyncio
from collections import Counter
from dataclasses import dataclass

import httpx

from bench.chaos.shoppers import Crowd, Visit
from tests.support.release import QUARTER_OF_AN_HOUR, Operator
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import key

AT_ONCE = 4
"""Commands of the operator."""


@dataclass(frozen=True)
class Verdict:
    """The figures of a run; the first four have to be 0."""

    over_claimed: int
    """Returns that the upstream made beyond the units ordered."""
    lost: int
    """Returns that the upstream made, and no shopper can see."""
    faults_of_ours: int
    """Answers 500 of the present build."""
    stuck: list[str]
    """Shoppers who could not finish, in words."""
    made: int
    unknown: int
    """Returns whose outcome was unknown when the faults ended."""
    found: Counter[str]
    """What the operator recorded."""

    @property
    def is_clean(self) -> bool:
        """Whether the service kept its promises."""
        return not (self.over_claimed or self.lost or self.faults_of_ours or self.stuck)


async def judge(crowd: Crowd, sandbox: SandboxProcess, operator: Operator) -> Verdict:
    """Settles every doubt, has each shopper finish, and counts."""
    unknown = [visit for visit in crowd.visits if visit.is_unknown]
    turns = asyncio.Semaphore(AT_ONCE)
    made_before = Counter(await _made(sandbox))

    async def settled(visit: Visit) -> str:
        async with turns:
            return await _settled(visit, operator, was_made=bool(made_before[visit.order]))

    found = Counter(await asyncio.gather(*map(settled, unknown)))
    await asyncio.gather(*map(crowd.finish, unknown))
    made = Counter(await _made(sandbox))
    seen = {visit.order for visit in crowd.visits if visit.label}
    return Verdict(
        over_claimed=sum(number - 1 for number in made.values()),
        lost=len(made.keys() - seen),
        faults_of_ours=crowd.fleet.faults_of_ours[True],
        stuck=[f"{each.order}: {each.status} {each.code}" for each in crowd.visits if not _is_finished(each, seen)],
        made=made.total(),
        unknown=len(unknown),
        found=found,
    )


async def _settled(visit: Visit, operator: Operator, *, was_made: bool) -> str:
    """What the operator records about a return; a shopper whose return was never made takes a new key."""
    return_id = visit.location.rpartition("/")[2]
    finding = "accepted" if was_made else "never-made"
    if not was_made:
        await operator.waits(return_id, QUARTER_OF_AN_HOUR + 60)
        visit.key = key()
    status, output = await operator.releases(return_id, "--as", finding, "--panel-checked", "--yes")
    return finding if status == 0 else f"refused: {output}"


async def _made(sandbox: SandboxProcess) -> list[str]:
    """The order of each return that the upstream made."""
    return [entry["order"] for entry in await sandbox.ledger(kind="incoming") if entry["created"]]


def _is_finished(visit: Visit, seen: set[str]) -> bool:
    """Whether the shopper has a label, or knows that another shopper of the order has it."""
    held = visit.status == httpx.codes.CONFLICT and visit.code == "units-claimed"
    return visit.label or (held and visit.order in seen)
