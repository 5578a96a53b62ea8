"""The three ways to wait for a label: held request, events, plain polling."""

import asyncio
import json

import pytest
from jsonschema import Draft202012Validator

from tests.support.descriptions import OURS
from tests.support.pdf import pages
from tests.support.processes import Bff, eventually, fresh
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import shopper


async def was_polled(sandbox: SandboxProcess, order: str) -> None:
    """Returns once the label was looked at and nothing had changed."""

    async def polled() -> bool:
        return len(await sandbox.ledger(kind="polling", order=order)) >= 2

    await eventually(polled, 10)


async def test_a_held_request_answers_when_the_state_changes(bff: Bff, sandbox: SandboxProcess) -> None:
    """`Prefer: wait` holds the answer until the shopper can see a difference, and says that it was applied."""
    someone = await shopper(bff.http, order := fresh("PAID"))
    created = (await someone.create()).json()
    holding = asyncio.create_task(someone.get(f"/v1/returns/{created['id']}", Prefer="wait=30"))
    await was_polled(sandbox, order)
    assert not holding.done()
    await sandbox.pay(order)
    response = await holding
    assert response.headers["preference-applied"] == "wait=30"
    assert response.json()["state"] == "label_ready"
    assert response.json()["revision"] > created["revision"]


async def test_a_held_request_answers_at_the_latest_when_its_time_is_up(bff: Bff) -> None:
    """A return that does not change is answered as it stands once the wait is over."""
    someone = await shopper(bff.http, fresh("PAID"))
    created = (await someone.create()).json()
    response = await asyncio.wait_for(someone.get(f"/v1/returns/{created['id']}", Prefer="wait=1"), 3)
    assert response.json()["state"] == "awaiting_payment"


@pytest.mark.parametrize("wanted", ["wait=56", "respond-async, wait=600", "wait=999999999"])
async def test_the_longest_wait(bff: Bff, wanted: str) -> None:
    """No answer is held for more than 55 seconds, and its header says so."""
    someone = await shopper(bff.http, fresh("STORE"))
    path = (await someone.create(someone.body("in_store"))).headers["location"]
    assert (await someone.get(path, Prefer=wanted)).headers["preference-applied"] == "wait=55"


async def test_a_label_can_be_waited_for(bff: Bff) -> None:
    """`Prefer: wait` on the label gives the PDF of a return that was still pending when it was asked for."""
    someone = await shopper(bff.http, fresh("LABEL"))
    created = (await someone.create()).json()
    response = await someone.get(f"/v1/returns/{created['id']}/label", Prefer="wait=30")
    assert response.status_code == 200
    assert f"Return {created['sendcloud_return_id']}" in pages(response.content)[0]


async def test_events_tell_each_state_once_and_end_with_the_final_one(bff: Bff, sandbox: SandboxProcess) -> None:
    """The event stream begins with the state now, names each revision once and closes after the final state."""
    someone = await shopper(bff.http, order := fresh("PAID"))
    path = (await someone.create()).headers["location"]
    async with someone.events(path) as events:
        first = await anext(events)
        await was_polled(sandbox, order)
        await sandbox.pay(order)
        seen = [first, *[event async for event in events]]
    assert [json.loads(event["data"])["state"] for event in seen] == ["awaiting_payment", "label_ready"]
    assert len({event["id"] for event in seen}) == len(seen)


async def test_events_end_with_the_session(bff: Bff, sandbox: SandboxProcess) -> None:
    """A shopper who has logged out hears nothing more, even over a connection that was already open."""
    someone = await shopper(bff.http, order := fresh("PAID"))
    path = (await someone.create()).headers["location"]
    async with someone.events(path) as events:
        first = await anext(events)
        await bff.http.delete("/v1/session", headers=someone.headers)
        await sandbox.pay(order)
        rest = [event async for event in events]
    assert (json.loads(first["data"])["state"], rest) == ("awaiting_payment", [])


async def test_events_resume_after_what_was_seen(bff: Bff, sandbox: SandboxProcess) -> None:
    """A client that reconnects with Last-Event-ID gets only news, and 204 once it has seen the final state."""
    someone = await shopper(bff.http, order := fresh("PAID"))
    path = (await someone.create()).headers["location"]
    async with someone.events(path) as events:
        first = await anext(events)
    async with someone.events(path, **{"Last-Event-ID": first["id"]}) as events:
        await sandbox.pay(order)
        rest = [event async for event in events]
    assert [json.loads(event["data"])["state"] for event in rest] == ["label_ready"]
    again = await someone.get(f"{path}/events", **{"Last-Event-ID": rest[-1]["id"]})
    assert again.status_code == 204


async def test_events_after_one_that_never_was(bff: Bff, sandbox: SandboxProcess) -> None:
    """A client that has seen a later event than there is, as after a loss of the store, gets all events from now on."""
    someone = await shopper(bff.http, order := fresh("PAID"))
    path = (await someone.create()).headers["location"]
    async with someone.events(path, **{"Last-Event-ID": "999"}) as events:
        await sandbox.pay(order)
        states = [json.loads(event["data"])["state"] async for event in events]
    assert states[-1:] == ["label_ready"]


async def test_a_second_download_needs_no_upstream(bff: Bff, sandbox: SandboxProcess) -> None:
    """Parallel first downloads cost one upstream download, later ones none."""
    order = fresh("PDF2M")
    someone = await shopper(bff.http, order)
    path = (await someone.create()).headers["location"]
    await someone.settled(path)
    first = await asyncio.gather(*(someone.get(f"{path}/label") for _ in range(8)))
    later = await someone.get(f"{path}/label")
    assert {response.content for response in first} == {later.content}
    assert len(later.content) == 2_000_000
    assert len(await sandbox.ledger(kind="download", order=order)) == 1


async def test_a_head_request_is_not_held(bff: Bff) -> None:
    """HEAD of a label that is not ready says so at once, whatever its sender would wait."""
    someone = await shopper(bff.http, fresh("SLOWLABEL"))
    path = (await someone.create()).headers["location"]
    answer = await bff.http.head(f"{path}/label", headers=someone.headers | {"Prefer": "wait=30"})
    assert (answer.status_code, answer.content) == (409, b"")


async def test_events_are_as_described(bff: Bff) -> None:
    """Each event has the form that the API description gives it, and its data is a return."""
    content = OURS["paths"]["/v1/returns/{return_id}/events"]["get"]["responses"]["200"]["content"]
    event_schema = content["text/event-stream"]["x-itemSchema"]
    data_schema = event_schema["properties"]["data"]["contentSchema"] | {"components": OURS["components"]}
    someone = await shopper(bff.http, fresh("INSTANT"))
    path = (await someone.create()).headers["location"]
    async with someone.events(path) as events:
        told = [event async for event in events]
    for event in told:
        fields = event | ({"retry": int(event["retry"])} if "retry" in event else {})
        Draft202012Validator(event_schema).validate(fields)
        Draft202012Validator(data_schema).validate(json.loads(event["data"]))
    assert "retry" in told[0]


async def test_events_are_whole_where_a_comment_has_line_separators(bff: Bff) -> None:
    """A line or paragraph separator in a pasted comment ends no line for clients to which it is the end of one."""
    someone = await shopper(bff.http, fresh("INSTANT"))
    body = someone.body()
    body["items"][0]["comment"] = comment = "Too\u2028small,\u2029sadly"
    path = (await someone.create(body)).headers["location"]
    async with someone.events(path) as events:
        told = [json.loads(each["data"]) async for each in events]
    assert {each["items"][0]["comment"] for each in told} == {comment}
