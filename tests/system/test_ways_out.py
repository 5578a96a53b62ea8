"""Every way out of every state of a return that docs/returns.md names, walked through the API.

Needs Debian's faketime, for the clock of the store.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import jwt
import pytest
import pytest_asyncio

from tests.support import scripted_upstream
from tests.support.processes import Bff, Valkey, eventually, running_bff, running_valkey
from tests.support.raw_server import Behaviour, answer
from tests.support.sandbox import SandboxProcess
from tests.support.scripted_upstream import PORTAL, Heard, ScriptedUpstream, always, body
from tests.support.shop_system import KEYS, ShopSystem, write_shops
from tests.support.shopper import Shopper, look_up, told
from tests.support.store_clock import StoreClock
from tests.support.webhooks import ENTRIES, FREEING, Integration, parcel_status_changed, return_created

pytestmark = [pytest.mark.system]

QUARTER, HOUR, DAY = 15 * 60, 3600, 86400
LEASE_SECONDS, CLAIM_SECONDS = 30, 4 * DAY
CANCELLED, EN_ROUTE = 2000, 91
SETTINGS: dict[str, Any] = {
    "create_deadline": 25,
    "create_lease": LEASE_SECONDS,
    "service_points_deadline": 25,
    "claim_ttl": CLAIM_SECONDS,
    "return_ttl": 2 * DAY,
    "poll_interval": 0.05,
    # No return of an earlier test is polled.
    "label_budget": 0.01,
}
REFUSAL = answer(400, b'{"message":"No."}')
NUMBERS = count(7000)


def token(**claims: object) -> str:
    """A token of the upstream, without an end unless one is given."""
    return jwt.encode({"number": next(NUMBERS)} | claims, "0123456789abcdef0123456789abcdef")


@dataclass
class Scene:
    """A shopper's order, and the service, store and upstream that it is returned with."""

    bff: Bff
    store: Valkey
    clock: StoreClock
    upstream: ScriptedUpstream
    number: int = field(default_factory=lambda: next(NUMBERS))
    """Of the order and of its parcel."""
    option: str = "pickup"
    poller: str = field(default_factory=token)
    path: str = ""
    held: "asyncio.Future[Behaviour] | None" = None
    """Takes the answer to the call that waits for one."""
    creating: "asyncio.Task[httpx.Response] | None" = None
    _session: Shopper | None = None

    @property
    def return_id(self) -> str:
        """The id of the return."""
        return self.path.rpartition("/")[2]

    @property
    def shop(self) -> ShopSystem:
        """A system of the shop."""
        return ShopSystem(self.bff.http, KEYS[FREEING], FREEING)

    @property
    def sendcloud(self) -> Integration:
        """Sendcloud, as it sends the shop's webhooks."""
        return Integration(self.bff.http, FREEING)

    def accepted(self, **changes: object) -> Behaviour:
        """The upstream's acceptance; a label is to be polled for unless `changes` say otherwise."""
        said = scripted_upstream.created(poller_url=f"{PORTAL}/label/polling?token={self.poller}") | changes
        base = f"{self.upstream.url}/brand/{FREEING}/return-portal"
        return answer(200, body(said).replace(PORTAL.encode(), base.encode()))

    def polled(self, behaviour: Behaviour) -> None:
        """From now on polls for this return are answered so, and those for others as if their label were ready."""

        def reaction(here: Heard) -> Behaviour:
            return behaviour if here.query["token"] == [self.poller] else _ready(self.upstream)

        self.upstream.do(polling=reaction)

    async def shopper(self) -> Shopper:
        """The shopper's session, a new one once the last has ended."""
        if self._session is None or (await self._session.get("/v1/session")).status_code != httpx.codes.OK:
            parcel = {"id": self.number, "order_number": f"A-{self.number}"}
            tokens = {"access_token": token(), "service_points_token": token()}
            self.upstream.say(outgoing=scripted_upstream.outgoing(parcel) | tokens)
            screen = (await look_up(self.bff.http, f"A-{self.number}", brand=FREEING)).json()
            self._session = Shopper(self.bff.http, screen, {"Authorization": f"Bearer {screen['session_token']}"})
        return self._session

    async def create(self) -> httpx.Response:
        """The answer to a return of everything, with a fresh key."""
        someone = await self.shopper()
        item = next(each for each in someone.screen["items"] if each["returnable"])
        reason = someone.screen["options"]["reasons"][0]["id"]
        everything = {"id": item["id"], "quantity": item["quantity"], "reason": reason}
        return await someone.create(someone.body(self.option, items=[everything]))

    async def make(self, said: Behaviour) -> None:
        """Makes the return, and has the upstream answer so."""
        self.upstream.do(incoming=always(said))
        self.path = (await self.create()).headers["location"]

    async def hold(self, call: str) -> None:
        """Makes the return, and has the upstream keep this call waiting."""
        held = self.held = asyncio.get_running_loop().create_future()

        async def behave(writer: asyncio.StreamWriter) -> None:
            await (await held)(writer)

        someone = await self.shopper()
        self.upstream.do(**{call: always(behave)})
        self.upstream.heard.clear()
        self.creating = asyncio.create_task(self.create())

        async def is_listed() -> bool:
            listed = (await someone.get("/v1/session")).json()["returns"]
            self.path = f"/v1/returns/{listed[0]['id']}" if listed else ""
            return bool(listed) and bool(self.upstream.requests_for(call))

        await eventually(is_listed, 20)

    def release(self, said: Behaviour) -> None:
        """Gives the waiting call this answer."""
        if self.held and not self.held.done():
            self.held.set_result(said)

    async def seen(self) -> dict[str, Any]:
        """The return as the shopper sees it; its state is `gone` if there is none."""
        answered = await (await self.shopper()).get(self.path)
        return answered.json() if answered.status_code == httpx.codes.OK else {"state": "gone"}

    async def becomes(self, state: str) -> None:
        """Waits until the shopper sees this state."""
        states = [""]

        async def is_seen() -> bool:
            states.append((await self.seen())["state"])
            return states[-1] == state

        await eventually(is_seen, 20, lambda: f"it is {states[-1]}")

    async def is_polled(self, behaviour: Behaviour) -> None:
        """Has polls answered so, and waits for one."""
        self.upstream.heard.clear()
        self.polled(behaviour)

        async def is_heard() -> bool:
            await self.seen()
            return any(here.query["token"] == [self.poller] for here in self.upstream.requests_for("polling"))

        await eventually(is_heard, 20)

    async def passes(self, seconds: int) -> None:
        """Lets so much time pass."""
        await self.clock.pass_on(self.store, seconds)

    async def resolves(self, outcome: str, **more: bool) -> None:
        """The shop records an outcome."""
        assert (await self.shop.resolve(self.return_id, outcome, **more)).status_code == httpx.codes.OK

    async def units_are_free(self) -> bool:
        """Whether everything can be returned once more."""
        self.option = "pickup"
        self.upstream.do(incoming=always(self.accepted()))
        again = await self.create()
        assert again.status_code == httpx.codes.ACCEPTED or told(again) == (409, "units-claimed"), again.text
        return again.status_code == httpx.codes.ACCEPTED


def _ready(upstream: ScriptedUpstream) -> Behaviour:
    said = body(scripted_upstream.label(download_url=f"{PORTAL}/label/download?token={token()}"))
    return answer(200, said.replace(PORTAL.encode(), f"{upstream.url}/brand/{FREEING}/return-portal".encode()))


Step = Callable[[Scene], Awaitable[None]]

# How a return comes into a state.


async def creating(here: Scene) -> None:
    """The answer to the creation has not come yet."""
    await here.hold("incoming")


async def unsent(here: Scene) -> None:
    """The creation still waits for the chosen service point."""
    here.option = "drop_off_point"
    await here.hold("20000001")


async def outcome_unknown(here: Scene) -> None:
    """The answer says nothing."""
    await here.make(answer(500))


async def unanswered(here: Scene) -> None:
    """The lease of the creation has ended, and its answer may still come."""
    await creating(here)
    await here.passes(LEASE_SECONDS + 1)


async def label_pending(here: Scene) -> None:
    """The label is not there yet."""
    here.polled(answer(202))
    await here.make(here.accepted())


async def label_pending_for_an_hour(here: Scene) -> None:
    """The label is not there yet, and can be polled for an hour."""
    here.poller = token(exp=int(here.clock.now) + HOUR)
    await label_pending(here)


async def awaiting_payment(here: Scene) -> None:
    """The shopper has to pay first."""
    here.polled(answer(202))
    await here.make(here.accepted(payment_url="https://pay.example/1"))


async def label_lost(here: Scene) -> None:
    """The poller's token is over and refused."""
    here.poller = token(exp=int(here.clock.now) - 1)
    here.polled(answer(404))
    await here.make(here.accepted())


async def label_ready(here: Scene) -> None:
    """The first poll brings the label."""
    here.polled(_ready(here.upstream))
    await here.make(here.accepted())


async def accepted(here: Scene) -> None:
    """There is nothing to poll."""
    await here.make(here.accepted(poller_url=None))


async def no_label_needed(here: Scene) -> None:
    """It is brought to a store."""
    here.option = "in_store"
    await here.make(here.accepted())


async def refused(here: Scene) -> None:
    """The upstream refused it."""
    await here.make(REFUSAL)


async def announcement_failed(here: Scene) -> None:
    """The upstream took it, and every poll says that its label failed."""
    await label_pending(here)
    await fails(here)


async def cancelled_unanswered(here: Scene) -> None:
    """The shop cancelled it, and the answer to its creation may still come."""
    here.bff.process.expected.append("a return was accepted after its release")
    await unanswered(here)
    await here.becomes("outcome_unknown")
    await here.passes(QUARTER)
    await here.resolves("cancelled")


# How it leaves it.


async def the_lease_ends(here: Scene) -> None:
    """Nobody heard of the creating request for too long."""
    await here.passes(LEASE_SECONDS + 1)


async def the_claim_ends(here: Scene) -> None:
    """`BFF_CLAIM_TTL` after the lease."""
    await here.passes(CLAIM_SECONDS + 2 * LEASE_SECONDS + 1)


async def the_token_ends(here: Scene) -> None:
    """Polls are refused once the token is over."""
    here.polled(answer(404))
    await here.passes(HOUR + QUARTER)


async def refusals_for_a_day(here: Scene) -> None:
    """Polls for this label are refused for a day, and one for another label is answered then."""
    await here.is_polled(answer(404))
    await here.passes(DAY)
    other = Scene(here.bff, here.store, here.clock, here.upstream)
    await other.make(other.accepted())
    await other.becomes("label_ready")


async def fails(here: Scene) -> None:
    """For an hour each poll says that the label failed, and no other label does."""
    await here.is_polled(answer(500))
    await here.passes(HOUR)
    await here.becomes("failed")


async def is_labelled(here: Scene) -> None:
    """A poll brings the label."""
    here.polled(_ready(here.upstream))


async def is_pending_again(here: Scene) -> None:
    """A rare look shows that the label is still being made."""
    here.polled(answer(202))
    await here.passes(8 * HOUR)


async def is_labelled_late(here: Scene) -> None:
    """A rare look brings the label."""
    await is_labelled(here)
    await here.passes(8 * HOUR)


async def is_told(here: Scene) -> None:
    """Sendcloud's webhook says that the return was made."""
    items = [{"description": each["name"], "quantity": each["quantity"]} for each in (await here.seen())["items"]]
    webhook = return_created(f"A-{here.number}", items) | {"timestamp": here.clock.now}
    assert (await here.sendcloud.tells(webhook)).json() == {"outcome": "settled"}


async def parcels_are_cancelled(here: Scene) -> None:
    """Sendcloud's webhook says that its only parcel is cancelled."""
    webhook = parcel_status_changed(f"A-{here.number}", 2, CANCELLED, here.clock.now)
    assert (await here.sendcloud.tells(webhook)).json() == {"outcome": "settled"}


async def the_shop_cancels(here: Scene) -> None:
    """A return of which the upstream's answer is known can be cancelled at once, any other later."""
    await here.passes(QUARTER + LEASE_SECONDS)
    await here.resolves("cancelled")


async def the_shop_accepts(here: Scene) -> None:
    """The shop found the return in the panel."""
    await here.resolves("accepted")


async def the_shop_finds_nothing(here: Scene) -> None:
    """The shop found no return in the panel."""
    await here.passes(QUARTER + LEASE_SECONDS)
    await here.resolves("never-made", panel_checked=True)


async def holds_its_units(here: Scene) -> None:
    """Its units cannot be claimed; for some seconds no poll may be made, because those of other scenes failed too."""

    async def are_claimed() -> bool:
        refused = told(await here.create())
        assert refused in {(409, "units-claimed"), (503, "upstream-unavailable")}
        return refused == (409, "units-claimed")

    await eventually(are_claimed, 10)


async def is_pending_when_claimed_again(here: Scene) -> None:
    """Its units are to be claimed again, and a poll before that shows that the label is still being made."""
    here.polled(answer(202))
    await holds_its_units(here)


async def is_labelled_when_claimed_again(here: Scene) -> None:
    """The same, and the poll brings the label."""
    await is_labelled(here)
    await holds_its_units(here)


async def is_on_its_way(here: Scene) -> None:
    """Sendcloud's webhook says that its parcel is in transit; its content has gone when its units are claimed again."""
    here.polled(answer(500))
    webhook = parcel_status_changed(f"A-{here.number}", 2, EN_ROUTE, here.clock.now)
    assert (await here.sendcloud.tells(webhook)).json() == {"outcome": "moved"}
    await here.becomes("label_pending")
    await here.passes(SETTINGS["return_ttl"])


def answered(state: str) -> Step:
    """The upstream's answer to the creation comes, and brings this state."""

    async def comes(here: Scene) -> None:
        said = {
            "awaiting_payment": here.accepted(payment_url="https://pay.example/1"),
            "accepted": here.accepted(poller_url=None),
            "failed": REFUSAL,
            "outcome_unknown": answer(500),
        }
        here.polled(answer(202))
        here.release(said.get(state, here.accepted()))
        assert here.creating
        await here.creating

    return comes


def in_store(reach: Step) -> Step:
    """The same of a return that is brought to a store."""

    async def reached(here: Scene) -> None:
        here.option = "in_store"
        await reach(here)

    return reached


class Way(NamedTuple):
    """One way out of a state, in the words of docs/returns.md."""

    state: str
    by: str
    cause: str
    to: str
    reach: Step
    walk: Step

    @property
    def name(self) -> str:
        """Names the test."""
        return f"{self.state}-{self.by}-{self.to}-{self.cause[:20]}"


TAKEN = ("label_pending", "awaiting_payment", "accepted", "no_label_needed")
"""The states that an acceptance brings."""
KNOWN: dict[str, Step] = {
    each.__name__: each
    for each in (label_pending, awaiting_payment, label_lost, label_ready, accepted, no_label_needed)
}
"""How a return comes into each state in which the upstream's answer is known and its units are held."""


def brought(state: str, cause: str, reach: Step, states: tuple[str, ...]) -> list[Way]:
    """The ways out of a state by the upstream's answer to the creation."""
    return [
        Way(state, "upstream", cause, to, in_store(reach) if to == "no_label_needed" else reach, answered(to))
        for to in states
    ]


WAYS = [
    Way("creating", "time", "the lease (`BFF_CREATE_LEASE`) ends before a byte left", "gone", unsent, the_lease_ends),
    Way("creating", "time", "it ends later", "outcome_unknown", creating, the_lease_ends),
    *brought("creating", "its answer to the creation", creating, (*TAKEN, "failed", "outcome_unknown")),
    *brought("outcome_unknown", "an answer that arrives late", unanswered, (*TAKEN, "failed")),
    Way(
        "outcome_unknown",
        "upstream",
        "[its event](shop-calls.md#what-sendcloud-tells)",
        "accepted",
        outcome_unknown,
        is_told,
    ),
    Way("outcome_unknown", "shop", "`accepted`", "accepted", outcome_unknown, the_shop_accepts),
    Way("outcome_unknown", "shop", "`never-made`", "failed", outcome_unknown, the_shop_finds_nothing),
    Way("label_pending", "time", "the poller's token ends", "label_lost", label_pending_for_an_hour, the_token_ends),
    Way("label_pending", "time", "polls are refused for a day", "label_lost", label_pending, refusals_for_a_day),
    *(
        Way(each.__name__, "upstream", cause, to, each, walk)
        for each, cause in ((label_pending, "a poll"), (awaiting_payment, "a poll, once it is paid"))
        for to, walk in (("label_ready", is_labelled), ("failed", fails))
    ),
    Way("label_lost", "upstream", "a look every six hours", "label_ready", label_lost, is_labelled_late),
    Way("label_lost", "upstream", "a look every six hours", "label_pending", label_lost, is_pending_again),
    *brought("failed", "an acceptance that arrives late", cancelled_unanswered, TAKEN),
    *(
        Way("failed", "upstream", "a poll before its units are claimed again", to, announcement_failed, walk)
        for to, walk in (
            ("label_pending", is_pending_when_claimed_again),
            ("label_ready", is_labelled_when_claimed_again),
        )
    ),
    Way("failed", "upstream", "a parcel of it is on its way", "label_pending", announcement_failed, is_on_its_way),
    *(
        Way(state, "time", "`BFF_CLAIM_TTL`", "gone", reach, the_claim_ends)
        for state, reach in {"outcome_unknown": outcome_unknown, **KNOWN, "failed": refused}.items()
    ),
    *(
        Way(state, "upstream", "all its parcels are cancelled", "failed", reach, parcels_are_cancelled)
        for state, reach in KNOWN.items()
    ),
    *(
        Way(state, "shop", "`cancelled`", "failed", reach, the_shop_cancels)
        for state, reach in {"outcome_unknown": outcome_unknown, **KNOWN}.items()
    ),
]


def on_the_page() -> set[tuple[str, ...]]:
    """Each way out that the table of docs/returns.md names: state, by what, cause, and the state it leads to."""
    table = Path("docs/returns.md").read_text().partition("## How each state ends")[2].partition("\n## ")[0]
    ways = set[tuple[str, ...]]()
    for line in re.findall(r"^\| `.*", table, re.MULTILINE):
        state, _, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        for by, cell in zip(("time", "upstream", "shop"), cells, strict=True):
            # A part without a colon says why there is no way, or what ends besides.
            for cause, _, ends in (part.partition(": ") for part in cell.split("; ") if ": " in part):
                ways |= {(state.strip("`"), by, cause, to) for to in re.findall(r"gone|(?<=`)\w+(?=`)", ends)}
    return ways


@pytest_asyncio.fixture(scope="module", name="stage")
async def everything_that_runs(
    sandbox: SandboxProcess, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Bff, Valkey, StoreClock, ScriptedUpstream]]:
    """A service on a store whose clock the tests turn, and an upstream that says what they want."""
    folder = tmp_path_factory.mktemp("stage")
    file, clock = write_shops(folder / "shops.toml"), StoreClock(folder / "clock")
    file.write_text(file.read_text() + ENTRIES)
    async with (
        running_valkey(environment=clock.environment) as store,
        scripted_upstream.scripted_upstream() as upstream,
    ):
        urls = {"upstream_url": upstream.url, "service_points_url": upstream.url}
        async with running_bff(store.url, sandbox, brands="", shops=file, **urls, **SETTINGS) as bff:
            yield bff, store, clock, upstream


@pytest_asyncio.fixture
async def here(stage: tuple[Bff, Valkey, StoreClock, ScriptedUpstream]) -> AsyncIterator[Scene]:
    """An order of its own, hours after anything that happened before."""
    scene = Scene(*stage)
    await scene.passes(3 * HOUR)
    yield scene
    scene.release(answer(500))
    if scene.creating:
        await scene.creating


def test_every_way_on_the_page_is_walked() -> None:
    """The table of docs/returns.md names the ways that these tests walk, and no others."""
    assert on_the_page() == {each[:4] for each in WAYS}


@pytest.mark.parametrize("way", WAYS, ids=[way.name for way in WAYS])
async def test_a_way_out(here: Scene, way: Way) -> None:
    """A way out of a state leads where the page says, and leaves the units held or free as the new state has them."""
    await way.reach(here)
    await here.becomes(way.state)
    await way.walk(here)
    await here.becomes(way.to)
    assert await here.units_are_free() == (way.to in {"gone", "failed"})


async def test_the_shop_cannot_end_a_creation_under_way(here: Scene) -> None:
    """Until the lease of a creation ends, no outcome that the shop records is taken, and the answer still counts."""
    await creating(here)
    for outcome, more in (("accepted", {}), ("cancelled", {}), ("never-made", {"panel_checked": True})):
        assert told(await here.shop.resolve(here.return_id, outcome, **more)) == (409, "finding-refused")
    await here.becomes("creating")
    await answered("label_pending")(here)
    await here.becomes("label_pending")
