"""What a shop's own system would do with events: it verifies them, and shows the last ones on a page."""

from collections.abc import Mapping
from html import escape

from standardwebhooks import Webhook, WebhookVerificationError
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from app.sandbox.brands import Json
from app.sandbox.checkout import POLICY
from app.shops import EventsEntry

PATH = "/sandbox/events"
KEPT = 100
PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta http-equiv="refresh" content="3">
  <title>Sandbox events</title>
  <link rel="stylesheet" href="/page/style.css">
</head>
<body>
  <main>
    <h1>Events</h1>
    <p class="lead">What a system of the shop was told of its returns, the last event first.</p>
    <table>
      <tr><th>time</th><th>type</th><th>shop</th><th>return</th><th>state</th></tr>
      {rows}
    </table>
  </main>
</body>
</html>
"""


class Inbox:
    """Takes signed events at `PATH` and shows them there."""

    def __init__(self, secret: str) -> None:
        self._webhook = Webhook(secret)
        self._events: dict[str, Json] = {}
        """By id, because an event may come twice."""

    async def take(self, request: Request) -> Response:
        """Keeps an event: 204, or 400 if its signature is not that of the shop's secret."""
        try:
            event = self._webhook.verify(await request.body(), dict(request.headers))
        except WebhookVerificationError:
            return Response(status_code=400)
        self._events[request.headers["webhook-id"]] = event
        for oldest in list(self._events)[:-KEPT]:
            del self._events[oldest]
        return Response(status_code=204)

    async def show(self, _request: Request) -> Response:
        """The page of the last events, which fetches itself again every few seconds."""
        rows = "".join(_row(event) for event in reversed(self._events.values()))
        headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
        return HTMLResponse(PAGE.format(rows=rows), headers=headers)


def inbox_routes(told: Mapping[str, EventsEntry]) -> list[Route]:
    """The routes of an inbox for these shops, which have one secret; none without shops that are told."""
    if not told:
        return []
    entry = next(iter(told.values()))
    inbox = Inbox(entry.secrets[0].get_secret_value())
    return [Route(PATH, inbox.show), Route(PATH, inbox.take, methods=["POST"])]


def _row(event: Json) -> str:
    data = event["data"]
    cells = (event["timestamp"], event["type"], data["brand"], data["return_id"], data["state"])
    return "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in cells) + "</tr>"
