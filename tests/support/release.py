"""An operator who releases returns with `python -m app.release`."""

import json
import os

from redis.asyncio import Redis

from tests.support.forks import run
from tests.support.processes import bff_environment
from tests.support.sandbox import SandboxProcess

QUARTER_OF_AN_HOUR = 15 * 60


class Operator:
    """An operator at a shell with the service's environment and these settings of their own."""

    def __init__(self, client: Redis, url: str, sandbox: SandboxProcess, **settings: str) -> None:
        self._client = client
        self._variables = dict(os.environ) | bff_environment(url, sandbox, **settings)

    async def releases(self, *arguments: str) -> tuple[int, str]:
        """Exit status and output of the command."""
        ended = await run(["app.release", *arguments], self._variables)
        return ended.returncode, ended.stdout + ended.stderr

    async def waits(self, return_id: str, seconds: float) -> None:
        """Has so much time pass for the claim of this return."""
        await let_pass(self._client, return_id, seconds)

    async def forgets_the_index(self, return_id: str) -> None:
        """Leaves the return as a release before this one would have."""
        assert await self._client.delete(f"i:{{{return_id}}}") == 1


async def let_pass(client: Redis, return_id: str, seconds: float) -> None:
    """Has so much time pass for the claim of this return."""
    async for name in client.scan_iter("p:*:claim"):
        kept = await client.hget(name, "v") or "{}"
        # Bytes or text, as the client decodes; other tests leave claims that are no JSON.
        if return_id in str(kept):
            claims = json.loads(kept)
            claims[return_id]["lease_until"] -= seconds
            await client.hset(name, "v", json.dumps(claims))
