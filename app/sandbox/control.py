"""The sandbox's own API under `/_sandbox/`, for tests and demonstrations; never in the ledger."""

import json

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.sandbox.answers import Refused
from app.sandbox.ledger import Ledger


class Control:
    """Answers the control calls and knows whether the upstream plays dead."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.down = False
        """Whether every call of both hosts answers 503."""

    async def answer(self, request: Request, path: str) -> Response:
        """The answer to one control call; `Refused` (404, 400) for anything else."""
        match [request.method, *path.split("/")]:
            case ["GET", "health"]:
                return JSONResponse({"status": "ok"})
            case ["GET", "ledger"]:
                return JSONResponse({"requests": self._ledger.matching(**dict(request.query_params))})
            case ["DELETE", "ledger"]:
                self._ledger.requests.clear()
                return Response(status_code=204)
            case ["POST", "paid", order]:
                return JSONResponse({"paid": self._ledger.pay(request.query_params.get("brand", "demo"), order)})
            case ["POST", "returns", number, "paid"] if number.isdecimal() and int(number) in self._ledger.returns:
                self._ledger.returns[int(number)].paid = True
                return Response(status_code=204)
            case ["POST", "faults"]:
                self.down = _mode(await request.body()) == "down"
                return JSONResponse({"mode": "down" if self.down else "none"})
            case _:
                raise Refused(404, "not_found", "There is no such control call.")


def _mode(body: bytes) -> str:
    try:
        mode = json.loads(body)["mode"]
    except (ValueError, LookupError, TypeError) as error:
        raise Refused(400, "invalid", "A JSON object with a mode is needed.") from error
    if mode not in ("down", "none"):
        raise Refused(400, "invalid", "The modes are down and none.")
    return str(mode)
