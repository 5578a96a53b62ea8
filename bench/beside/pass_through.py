"""A label, passed on: no login, no store, no check. Environment: PORT, UPSTREAM (a base URL)."""

import os

import aiohttp
import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send

LABEL = "brand/demo/return-portal/label/download"


async def _serve() -> None:
    async with aiohttp.ClientSession(os.environ["UPSTREAM"] + "/") as upstream:

        async def passed_on(scope: Scope, _receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            if scope["path"] != "/livez":
                async with upstream.get(LABEL, raise_for_status=True) as answer:
                    async for piece in answer.content.iter_any():
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})

        port = int(os.environ["PORT"])
        config = uvicorn.Config(passed_on, port=port, lifespan="off", access_log=False, log_level="warning")
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    uvloop.run(_serve())
