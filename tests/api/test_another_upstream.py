"""A second upstream is a package beside `app/sendcloud` and a line where it is connected: here is one."""

from tests.support.in_process import serving_bff
from tests.support.processes import Valkey
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import Shopper, told
from tests.support.toy_upstream import PDF, ToyUpstream


async def test_the_whole_journey_on_another_upstream(store: Valkey, sandbox: SandboxProcess) -> None:
    """From the lookup to the label, the service works on any upstream that is connected to its port."""
    toys = ToyUpstream()
    async with serving_bff(
        store.url, sandbox, lambda _settings, _policies: toys, brands="toys", poll_interval=0.05
    ) as (
        _,
        http,
    ):
        wanted = {"identifier": "T-1", "postal_code": "5611 AA", "token_delivery": "body"}
        screen = (await http.post("/v1/brands/toys/sessions", json=wanted)).raise_for_status().json()
        someone = Shopper(http, screen, {"Authorization": f"Bearer {screen['session_token']}"})
        assert (screen["brand"]["name"], screen["items"][0]["name"]) == ("Toys", "Kite")
        points = (await someone.get("/v1/service-points?latitude=51.44&longitude=5.47")).json()["service_points"]
        delivery = {"option": "drop_off_point", "service_point": points[0]["id"]}
        body = {"items": [{"id": "kite", "quantity": 1, "reason": 1}], "delivery": delivery}
        created = await someone.create(body)
        assert created.status_code == 202, created.text
        settled = await someone.settled(created.headers["location"])
        assert settled["parcels"] == [{"id": 2, "tracking_number": "TOY2", "tracking": None}]
        assert (await someone.get(f"{created.headers['location']}/label")).content == PDF
        assert told(await someone.create(body)) == (409, "units-claimed")
        unknown = await http.post("/v1/brands/toys/sessions", json=wanted | {"identifier": "T-2"})
        assert told(unknown) == (404, "parcel-not-found")
    [request] = toys.created
    assert (request.sender.name, request.service_point, request.refund) == ("Sam Jansen", 1, None)
