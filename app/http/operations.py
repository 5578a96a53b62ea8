"""The routes for operators and tools: health, metrics, the API description, the pages of problems."""

import base64
import hashlib
import re
from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse, Response

from app.errors import RouteNotFound, ShuttingDown, StoreUnavailable
from app.http.answers.openapi import responses
from app.http.load_shedding import Load
from app.http.problem_types import ALL_PROBLEM_TYPES
from app.http.problem_types.pages import PAGE_POLICY, documented, page, prefers_html
from app.models.problems import ProblemKind
from app.models.session import Health
from app.redis.marker import Markers
from app.redis.store import Store
from app.services import service_of
from app.telemetry.metrics import CONTENT_TYPE, metrics

router = APIRouter(tags=["operations"])
DOCS = "/docs"
DOCS_FILES = f"{DOCS}/files"
"""Where the scripts and styles of /docs are served."""
DESCRIPTION = "/openapi.json"
_DOCS = get_swagger_ui_html(
    openapi_url=DESCRIPTION,
    title="Return Portal BFF",
    swagger_js_url=f"{DOCS_FILES}/swagger-ui-bundle.js",
    swagger_css_url=f"{DOCS_FILES}/swagger-ui.css",
    swagger_favicon_url=f"{DOCS_FILES}/favicon-32x32.png",
)
_SCRIPTS = " ".join(
    f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"
    for script in re.findall(rb"<script>(.*?)</script>", bytes(_DOCS.body), re.DOTALL)
)
DOCS_POLICY = (
    f"default-src 'none'; script-src 'self' {_SCRIPTS}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page loads only files of ours, runs only its own inline script, and is shown in no frame."""


@router.get("/livez", operation_id="getLiveness", responses=responses())
async def get_liveness() -> Health:
    """The process runs; nothing else is checked."""
    return Health()


@router.get("/readyz", operation_id="getReadiness", responses=responses(StoreUnavailable, ShuttingDown))
async def get_readiness(request: Request) -> Health:
    """Redis answers and has our names, and the replica is not stopping; an outage of the upstream stops no replica."""
    if service_of(request, Load).draining:
        raise ShuttingDown
    await service_of(request, Store).ping()
    if not service_of(request, Markers).names_as_others:
        raise StoreUnavailable("BFF_NAMING_KEY is not that of the store")
    return Health()


@router.get("/metrics", operation_id="getMetrics", response_class=Response, include_in_schema=False)
async def get_metrics() -> Response:
    """Prometheus metrics; the gateway keeps them private."""
    return Response(metrics(), headers={"Content-Type": CONTENT_TYPE})


@router.get(DOCS, include_in_schema=False)
async def get_docs() -> HTMLResponse:
    """The API description as a page to read and try out; it loads nothing from elsewhere."""
    return HTMLResponse(_DOCS.body, headers={"Content-Security-Policy": DOCS_POLICY})


@router.get(
    "/problems/{code}",
    operation_id="getProblem",
    response_model=ProblemKind,
    responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}, **responses(RouteNotFound)},
)
async def get_problem(
    code: Annotated[str, Path(description="The `code` of a problem.", examples=["label-not-ready"])], request: Request
) -> Response:
    """The meaning of a problem code and what helps; as a page for clients that prefer HTML."""
    kind = ALL_PROBLEM_TYPES.get(code)
    if kind is None:
        raise RouteNotFound
    problem = documented(kind, request.app.openapi())
    if prefers_html(request.headers.get("accept", "")):
        return HTMLResponse(page(problem), headers={"Content-Security-Policy": PAGE_POLICY, "Vary": "Accept"})
    return Response(problem.model_dump_json(), headers={"Vary": "Accept"}, media_type="application/json")
