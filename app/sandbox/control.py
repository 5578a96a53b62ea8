"""The sandbox's own API under `/_sandbox/`, for tests and demonstrations; never in the ledger."""

import json

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.sandbox.answers import Refused
from app.sandbox.ledger import Ledger

FAULTS = ("none", "down", "polling", "creation")
"""All is well, both hosts answer 503, polls answer 500, creations answer 500 after every other one made its return."""


class Control:
    """Answers the control calls, and knows which fault the upstream plays."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.fault = "none"
        """One of `FAULTS`."""

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
            case ["POST", "returns", number, "paid"] if self._pay(number):
                return Response(status_code=204)
            case ["POST", "faults"]:
                self.fault = _mode(await request.body())
                return JSONResponse({"mode": self.fault})
            case _:
                raise Refused(404, "not_found", "There is no such control call.")

    def _pay(self, number: str) -> bool:
        paid = self._ledger.returns.get(int(number)) if number.isdecimal() else None
        if paid:
            paid.paid = True
        return paid is not None


def _mode(body: bytes) -> str:
    try:
        mode = json.loads(body)["mode"]
    except (ValueError, LookupError, TypeError) as error:
        raise Refused(400, "invalid", "A JSON object with a mode is needed.") from error
    if mode not in FAULTS:
        raise Refused(400, "invalid", f"The modes are {', '.join(FAULTS)}.")
    return str(mode)
