"""Names in the store, as every build has to form them: units, keys and returns are found by nothing else."""

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
import pytest_asyncio

from app.documents.store import chunk_key, context, progress_key
from app.redis.encryption import Keyring
from app.returns.store.deliveries import delivered_key, key_of_parcel
from app.sessions.lookup import parcel_key_of
from tests.support import samples
from tests.support.processes import Valkey, fresh, running_bff
from tests.support.sandbox import SandboxProcess, customer_of
from tests.support.shopper import Shopper, shopper

SECRET = bytes(range(32))
KEYRING = Keyring([SECRET])
KEY = "my-first-return-1"


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (("parcel", "demo", "id:383707309"), "Jl6Xceyj_3gms3VFIAy-og"),
        (("parcel", "demo", "order:label-0001"), "STiG34vSe9pXnJkLSQSWTw"),
        (("line", "scope", "1234"), "S96Qb70UhfRy_SekiVa-Tw"),
        (("key", "scope", KEY), "Tvdvj_raIcX00NWcI-Zxdg"),
        (("body", "scope", "ab" * 32), "lM0rWIP4YGwMyivF9VH0ZA"),
        (("order", "demo", "label-0001"), "pI5LzZgAvlg0I1-IZDnh_Q"),
        (("order of returns", "demo", "label-0001"), "x3kEJePLGIXBRYh_i0cTjw"),
        (("caller", "192.0.2.1"), "13FN_URLKrojCM30ncN_jA"),
    ],
)
def test_a_name_of_parts(parts: tuple[str, ...], name: str) -> None:
    """The name that a key gives to these parts is the one that every build gives."""
    assert KEYRING.name(*parts) == name


def test_the_names_of_a_document() -> None:
    """A document's progress, its chunks and what they are sealed with are named with the number of their format."""
    assert progress_key("rtn_x") == "l:{2.rtn_x}"
    assert chunk_key("rtn_x", "pump", 7) == "l:{2.rtn_x}:pump:7"
    assert context("rtn_x", "pump", 7) == "document|rtn_x|pump|7|2"


def test_the_name_of_a_delivery() -> None:
    """A parcel's delivery stands beside its claims, under the key that brand and parcel id make."""
    assert key_of_parcel(KEYRING, "demo", 383707309) == "Jl6Xceyj_3gms3VFIAy-og"
    assert delivered_key("Jl6Xceyj_3gms3VFIAy-og") == "p:{Jl6Xceyj_3gms3VFIAy-og}:delivered"


@pytest.mark.parametrize(
    ("number", "tracking_number", "named"),
    [("Label-0001", "3STEST1", "label-0001"), ("", "3STEST1", "3stest1"), ("", "", "typed")],
)
def test_the_name_of_a_parcel_without_an_id(number: str, tracking_number: str, named: str) -> None:
    """A parcel without an id is named by its order number, else by its tracking number, else by what was typed."""
    order = samples.order({"id": None, "order_number": number, "tracking_number": tracking_number})
    assert parcel_key_of(KEYRING, "demo", order, " Typed") == KEYRING.name("parcel", "demo", f"order:{named}")


@dataclass
class Created:
    """A return that was just created, and where its parcel is in the store."""

    store: Valkey
    someone: Shopper
    return_id: str
    scope: str

    async def held(self, kind: str) -> dict[bytes, bytes]:
        """What Redis holds of this kind for the parcel."""
        held: dict[bytes, bytes] = await self.store.client.hgetall(f"p:{{{self.scope}}}:{kind}")  # type: ignore[assignment]  # nothing is decoded here
        return held


@pytest_asyncio.fixture(scope="module", name="created")
async def created_return(store: Valkey, sandbox: SandboxProcess) -> AsyncIterator[Created]:
    """A return made under a key that is known."""
    secret_key = base64.b64encode(SECRET).decode()
    async with (
        running_bff(store.url, sandbox, secret_key=secret_key) as bff,
        httpx.AsyncClient(base_url=sandbox.panel_url, trust_env=False) as panel,
    ):
        order = fresh("LABEL")
        parcel = (await customer_of(panel, order)).lookup["data"]["parcel"]
        someone = await shopper(bff.http, order)
        answer = await someone.create(someone.body("pickup"), KEY)
        scope = KEYRING.name("parcel", "demo", f"id:{parcel['id']}")
        yield Created(store, someone, answer.json()["id"], scope)


async def test_the_keys_of_a_parcel(created: Created) -> None:
    """Claims, idempotency keys and returns of a parcel stand under these keys, made from brand and parcel id."""
    kinds = ["claim", f"key:{KEYRING.name('key', created.scope, KEY)}", f"r:{created.return_id}"]
    assert [bool(await created.held(kind)) for kind in kinds] == [True, True, True]


async def test_the_line_of_a_claim(created: Created) -> None:
    """A claim holds its units by line, and by product as releases before it do; it says which format it has."""
    claim = json.loads((await created.held("claim"))[b"v"])[created.return_id]
    item_id = created.someone.body()["items"][0]["id"]
    names = [KEYRING.name(kind, created.scope, item_id) for kind in ("line", "order line")]
    assert claim["units"] == dict.fromkeys(names, 1)
    assert claim["format"] == 1


async def test_the_record_of_a_key(created: Created) -> None:
    """An idempotency key names its return, and says which format it has."""
    kept = json.loads((await created.held(f"key:{KEYRING.name('key', created.scope, KEY)}"))[b"v"])
    assert (kept["return_id"], kept["format"]) == (created.return_id, 1)
