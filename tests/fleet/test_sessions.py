"""Sessions that stay parsed at every replica, and are over at all of them at once."""

import pytest

from tests.support.processes import Bff, fresh
from tests.support.shopper import credential, shopper, told

pytestmark = pytest.mark.system


async def test_a_session_that_one_replica_ends_is_over_at_all(fleet: list[Bff]) -> None:
    """However often a replica has served it, it asks the store whether the session is still there."""
    someone = await shopper(fleet[0].http, fresh("LABEL"))
    mine = credential(someone.screen["session_token"], "body")
    for replica in fleet * 3:
        assert (await replica.http.get("/v1/session", headers=mine)).status_code == 200
    assert (await fleet[1].http.delete("/v1/session", headers=mine)).status_code == 204
    for replica in fleet:
        assert told(await replica.http.get("/v1/session", headers=mine)) == (401, "session-expired")
