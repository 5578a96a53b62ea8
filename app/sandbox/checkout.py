"""The page behind a `payment_url` of the sandbox, where a shop's payment provider would be."""

from dataclasses import dataclass

import httpx
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Sandbox payment</title>
  <link rel="stylesheet" href="/page/style.css">
</head>
<body>
  <main>
    <h1>Sandbox payment</h1>
    <p class="lead">The shop's payment provider would be here. No money moves.</p>
    <div class="card lookup">
      <form method="post"><div class="actions"><button>Pay the return fee</button></div></form>
    </div>
    <p><a href="/page/#follow">Back without paying</a></p>
  </main>
</body>
</html>
"""


@dataclass(frozen=True)
class Checkout:
    """Pays for returns of the sandbox that answers at `upstream_url`."""

    upstream_url: str

    async def show(self, _request: Request) -> Response:
        """The page with the button that pays."""
        return HTMLResponse(PAGE, headers={"Content-Security-Policy": POLICY, "Cache-Control": "no-store"})

    async def pay(self, request: Request) -> Response:
        """Marks the return paid and leads back to it."""
        control = f"{self.upstream_url.removesuffix('/api/v2')}/_sandbox"
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.post(f"{control}/returns/{request.path_params['number']}/paid")
        return RedirectResponse("/page/#follow", 303) if answer.is_success else Response(status_code=answer.status_code)
