"""What operators, tools and lost callers ask."""

import base64
import hashlib
import html
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.http.problem_types import ALL_PROBLEM_TYPES
from tests.support.descriptions import OURS
from tests.support.processes import Bff, Valkey, running_bff
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import told

LIMIT_OF_HEADERS, LIMIT_OF_BODIES = 32 * 1024, 64 * 1024
SESSIONS = "/v1/brands/demo/sessions"
JSON = {"Content-Type": "application/json"}
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_health(bff: Bff, path: str) -> None:
    """A healthy process lives and is ready."""
    response = await bff.http.get(path)
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_metrics(bff: Bff) -> None:
    """Metrics name routes by template, so that no id and no order number becomes a label."""
    secret_path = "/v1/returns/rtn_of-somebody"
    await bff.http.get(secret_path)
    response = await bff.http.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    assert 'bff_requests_total{method="GET",route="/v1/returns/{return_id}",status="401"}' in response.text
    assert secret_path not in response.text


async def test_description(bff: Bff) -> None:
    """The service serves the description of itself."""
    assert (await bff.http.get("/openapi.json")).json() == OURS


async def test_page_of_the_description(bff: Bff) -> None:
    """A page shows the description, and everything it loads is served from here as well."""
    page = await bff.http.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    loaded = re.findall(r"""(?:src|href)=["']([^"']+)""", page.text)
    assert len(loaded) == 3
    for path in loaded:
        assert path.startswith("/"), path
        assert (await bff.http.get(path)).status_code == 200
    assert "http" not in page.text.replace("https://www.w3.org", "")


def naming(description: dict[str, Any], code: str) -> list[str]:
    """The calls of which an answer names this code, in the order of the description."""
    return [
        f"{method.upper()} {path}"
        for path, operations in description["paths"].items()
        for method, operation in operations.items()
        if any(f"`{code}`" in answer["description"] for answer in operation["responses"].values())
    ]


async def test_policy_of_the_description(bff: Bff) -> None:
    """The page of the description runs no script but ours, sends no form and is shown in no frame."""
    policy = (await bff.http.get("/docs")).headers["content-security-policy"]
    assert "script-src 'self' 'sha256-" in policy
    for said in ("default-src 'none'", "form-action 'none'", "frame-ancestors 'none'"):
        assert said in policy


async def test_the_description_can_be_hidden(valkey: Valkey, sandbox: SandboxProcess) -> None:
    """With BFF_DOCS=false nothing of the description is served, and problems still have their pages."""
    async with running_bff(valkey.url, sandbox, docs=False) as bff:
        for path in ("/docs", "/docs/files/swagger-ui.css", "/openapi.json"):
            assert told(await bff.http.get(path)) == (404, "not-found")
        assert (await bff.http.get("/problems/not-found")).is_success


@pytest.mark.parametrize("code", ALL_PROBLEM_TYPES)
async def test_problem_pages(bff: Bff, code: str) -> None:
    """Every problem code has a page: JSON unless HTML is preferred, the same words in both, nothing from elsewhere."""
    kind = ALL_PROBLEM_TYPES[code]
    calls = naming((await bff.http.get("/openapi.json")).json(), code)
    known = (await bff.http.get(f"/problems/{code}")).json()
    assert known == kind._asdict() | {"calls": calls}
    page = await bff.http.get(f"/problems/{code}", headers={"Accept": BROWSER})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    words = html.unescape(re.sub("<[^>]+>", "", page.text))
    for said in (code, str(kind.status.value), kind.title, kind.detail, kind.when, kind.front_end, *calls):
        assert said in words
    assert re.search(r"https?:|//|src=|href=|@import|url\(", page.text) is None


async def test_calls_of_a_problem(bff: Bff) -> None:
    """A problem page lists the calls that can end with it, and no others."""
    known = (await bff.http.get("/problems/label-not-ready")).json()
    assert known["calls"] == ["GET /v1/returns/{return_id}/label"]


async def test_policy_of_problem_pages(bff: Bff) -> None:
    """A browser may use the style that stands in the page and load nothing, not even from here."""
    page = await bff.http.get("/problems/no-label", headers={"Accept": BROWSER})
    [style] = re.findall(r"<style>(.*?)</style>", page.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    allowed = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert page.headers["content-security-policy"] == f"{allowed}; frame-ancestors 'none'"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/html, application/json", "application/json"),
        ("application/json;q=0.9, Text/HTML", "text/html; charset=utf-8"),
        ("text/html;q=0.2,application/json", "application/json"),
        ("text/html;q=0", "application/json"),
        ("text/html;q=nonsense", "application/json"),
        ("text/html ; q=0.5", "text/html; charset=utf-8"),
    ],
)
async def test_form_of_problem_pages(bff: Bff, accept: str, kind: str) -> None:
    """HTML is for those who prefer it; caches are told that the answer depends on that."""
    page = await bff.http.get("/problems/no-label", headers={"Accept": accept})
    assert page.headers["content-type"] == kind
    assert "accept" in page.headers["vary"].lower()


async def test_unknown_problem(bff: Bff) -> None:
    """A code that does not exist is a problem document for browsers, too."""
    page = await bff.http.get("/problems/<b>", headers={"Accept": BROWSER})
    assert told(page) == (404, "not-found")
    assert page.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "not-found"),
        ("GET", "/nope", 404, "not-found"),
        ("GET", "/v1/brands/demo%2F..%2Fother/portal", 404, "not-found"),
        ("GET", "/problems/no-such-code", 404, "not-found"),
        ("PUT", "/v1/session", 405, "method-not-allowed"),
        ("DELETE", "/livez", 405, "method-not-allowed"),
        ("GET", SESSIONS, 405, "method-not-allowed"),
    ],
)
async def test_lost_callers(bff: Bff, method: str, path: str, status: int, code: str) -> None:
    """A request for an unknown path gets a whole problem document with a type that can be followed."""
    response = await bff.http.request(method, path)
    problem = response.json()
    assert told(response) == (status, code)
    assert response.headers["content-type"] == "application/problem+json"
    assert ("allow" in response.headers) == (status == 405)
    assert (problem["status"], problem["type"]) == (status, f"/problems/{code}")
    assert (await bff.http.get(problem["type"])).status_code == 200
    assert problem["request_id"] == response.headers["x-request-id"]


async def test_large_body(bff: Bff) -> None:
    """A body of more than 64 KiB is refused by its announced length."""
    response = await bff.http.post(SESSIONS, content=b" " * (LIMIT_OF_BODIES + 1), headers=JSON)
    assert told(response) == (413, "body-too-large")
    assert response.headers["content-type"] == "application/problem+json"
    assert told(await bff.http.post(SESSIONS, content=b" " * LIMIT_OF_BODIES, headers=JSON)) == (
        400,
        "malformed-request",
    )


async def test_large_body_of_unknown_length(bff: Bff) -> None:
    """A body of more than 64 KiB is refused even if its length was not announced."""

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(LIMIT_OF_BODIES // 1024 + 1):
            yield b" " * 1024

    response = await bff.http.post(SESSIONS, content=endless(), headers=JSON)
    assert told(response) == (413, "body-too-large")


async def test_large_headers(bff: Bff) -> None:
    """Header fields of more than 32 KiB together are refused."""
    response = await bff.http.get("/livez", headers={"X-Padding": "x" * LIMIT_OF_HEADERS})
    assert told(response) == (431, "headers-too-large")
    assert response.headers["content-type"] == "application/problem+json"
    assert (await bff.http.get("/livez", headers={"X-Padding": "x" * (LIMIT_OF_HEADERS - 1024)})).status_code == 200


@pytest.mark.parametrize("path", ["/livez", "/nope"])
@pytest.mark.parametrize(
    ("proposed", "echoed"),
    [("order-17.attempt_2", True), ("x" * 64, True), ("short", False), ("x" * 65, False), ("with a blank", False)],
)
async def test_request_ids(bff: Bff, path: str, proposed: str, *, echoed: bool) -> None:
    """A sound request id is kept through the gateway, any other is replaced."""
    response = await bff.http.get(path, headers={"X-Request-Id": proposed})
    assert (response.headers["x-request-id"] == proposed) == echoed
    assert len(response.headers["x-request-id"]) > 7


@pytest.mark.parametrize("path", ["/livez", "/nope", "/v1/brands/demo/portal"])
async def test_headers_of_every_answer(bff: Bff, path: str) -> None:
    """No answer is sniffed, and only public answers may be cached."""
    response = await bff.http.get(path)
    assert response.headers["x-content-type-options"] == "nosniff"
    public = "public, max-age=60, stale-while-revalidate=240, stale-if-error=86400"
    assert response.headers["cache-control"] == (public if path.endswith("portal") else "private, no-store")
    assert "server" not in response.headers


async def test_a_trailing_slash_is_another_path(bff: Bff) -> None:
    """No path redirects, least of all to the host that the request names."""
    response = await bff.http.get("/livez/", headers={"Host": "evil.example"})
    assert told(response) == (404, "not-found")
