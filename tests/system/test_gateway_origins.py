"""What pages on other origins can read of the gateway's own answers."""

import pytest

from tests.support.nginx import running_nginx
from tests.support.processes import Valkey, free_port, running_bff
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import ELSEWHERE, SHOP

pytestmark = [pytest.mark.system]

PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "idempotency-key"}
TOO_LARGE = b" " * (64 * 1024 + 1)


def _cors(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.startswith("access-control-") or name == "vary"}


async def test_a_listed_origin_reads_why_nothing_answers() -> None:
    """A page of a listed origin can read the gateway's error, and when to come again; every other page nothing."""
    async with running_nginx([free_port(), free_port()]) as gateway:
        listed = await gateway.http.post("/v1/returns", headers={"Origin": SHOP})
        other = await gateway.http.post("/v1/returns", headers={"Origin": ELSEWHERE})
        large = await gateway.http.post("/v1/returns", headers={"Origin": SHOP}, content=TOO_LARGE)
    assert _cors(dict(listed.headers)) == {
        "access-control-allow-origin": SHOP,
        "access-control-allow-credentials": "true",
        "access-control-expose-headers": "Retry-After, X-Request-Id",
        "vary": "Origin",
    }
    assert listed.headers["retry-after"] == other.headers["retry-after"] == "2"
    assert _cors(dict(other.headers)) == {"vary": "Origin"}
    assert (large.status_code, large.headers["access-control-allow-origin"]) == (413, SHOP)


async def test_preflights_of_listed_origins_need_no_replica() -> None:
    """With every replica away a listed origin's preflight passes, so that its page meets an error it can read."""
    async with running_nginx([free_port()]) as gateway:
        listed = await gateway.http.options("/v1/returns", headers=PREFLIGHT | {"Origin": SHOP})
        other = await gateway.http.options("/v1/returns", headers=PREFLIGHT | {"Origin": ELSEWHERE})
        plain = await gateway.http.options("/v1/returns", headers={"Origin": SHOP})
    assert (listed.status_code, listed.content) == (204, b"")
    assert (other.status_code, _cors(dict(other.headers))) == (502, {"vary": "Origin"})
    assert plain.status_code == 502


async def test_gateway_and_replica_allow_the_same(valkey: Valkey, sandbox: SandboxProcess) -> None:
    """A preflight gets the same permissions from the gateway as from a replica."""
    asked = PREFLIGHT | {"Origin": SHOP}
    async with running_bff(valkey.url, sandbox, allowed_origins=SHOP) as bff, running_nginx([bff.port]) as gateway:
        ours = await gateway.http.options("/v1/returns", headers=asked)
        theirs = await bff.http.options("/v1/returns", headers=asked)
        through = await gateway.http.get("/v1/session", headers={"Origin": SHOP})
    assert _cors(dict(ours.headers)) == _cors(dict(theirs.headers))
    assert through.headers.get_list("access-control-allow-origin") == [SHOP]
    assert through.headers.get_list("vary") == ["Accept-Language, Origin"]
