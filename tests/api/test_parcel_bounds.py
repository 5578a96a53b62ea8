"""What one parcel may hold at a time."""

import asyncio

from tests.support.processes import Valkey, eventually, fresh, running_bff
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import POSTAL_CODES, credential, shopper, told


async def test_one_parcel_has_so_many_requests_waiting(valkey: Valkey, sandbox: SandboxProcess) -> None:
    """One more event stream or held request of a parcel is refused until another one ends; other parcels wait on."""
    async with running_bff(valkey.url, sandbox, parcel_waits=2) as bff:
        someone, other = await shopper(bff.http, fresh("PAID")), await shopper(bff.http, fresh("PAID"))
        path, others = [(await each.create()).headers["location"] for each in (someone, other)]
        async with someone.events(path) as first, someone.events(path) as second:
            assert [(await anext(each))["event"] for each in (first, second)] == ["return", "return"]
            for refused in (await someone.get(path, Prefer="wait=1"), await someone.get(f"{path}/events")):
                assert told(refused) == (429, "too-many-calls")
            assert told(await someone.get(f"{path}/label", Prefer="wait=1")) == (429, "too-many-calls")
            assert (await someone.get(path)).status_code == 200
            assert (await other.get(others, Prefer="wait=1")).status_code == 200

        async def waits_again() -> bool:
            return (await someone.get(path, Prefer="wait=1")).status_code == 200

        await eventually(waits_again, 10)


async def test_the_oldest_session_of_a_parcel_ends(valkey: Valkey, sandbox: SandboxProcess) -> None:
    """Of a parcel's sessions the newest live; the one that falls out is over like one that expired."""
    async with running_bff(valkey.url, sandbox, parcel_sessions=2) as bff:
        order = fresh("LABEL")
        first, second, third = [await shopper(bff.http, order) for _ in range(3)]
        assert told(await first.get("/v1/session")) == (401, "session-expired")
        answers = await asyncio.gather(second.get("/v1/session"), third.get("/v1/session"))
        assert [each.status_code for each in answers] == [200, 200]


async def test_sessions_that_ended_take_no_place(valkey: Valkey, sandbox: SandboxProcess) -> None:
    """A session lives on while others of its parcel replace one another or log out, as long as few live at a time."""
    async with running_bff(valkey.url, sandbox, parcel_sessions=3) as bff:
        first = await shopper(bff.http, order := fresh("LABEL"))
        second = await shopper(bff.http, order)
        wanted = {"identifier": order, "postal_code": POSTAL_CODES["demo"], "token_delivery": "body"}
        third = await bff.http.post("/v1/brands/demo/sessions", json=wanted, headers=second.headers)
        await bff.http.delete("/v1/session", headers=credential(third.json()["session_token"], "body"))
        await shopper(bff.http, order)
        assert (await first.get("/v1/session")).status_code == 200
