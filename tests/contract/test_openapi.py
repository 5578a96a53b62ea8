"""The published description is the one the code gives, is sound, and tells of problem documents."""

import json
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from app.http.problem_types import PROBLEM_TYPES
from app.main import api

PUBLISHED = Path(__file__).parents[2] / "openapi" / "bff.json"
DESCRIPTION: dict[str, Any] = api().openapi()
OPERATIONS = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, operations in DESCRIPTION["paths"].items()
    for method, operation in operations.items()
}
PROBLEM = {"schema": {"$ref": "#/components/schemas/Problem"}}
STABLE = {
    "getPortal": "GET /v1/brands/{brand}/portal",
    "createSession": "POST /v1/brands/{brand}/sessions",
    "getSession": "GET /v1/session",
    "deleteSession": "DELETE /v1/session",
    "createHandoff": "POST /v1/session/handoff",
    "redeemHandoff": "POST /v1/handoffs",
    "findServicePoints": "GET /v1/service-points",
    "getServicePoint": "GET /v1/service-points/{service_point_id}",
    "previewReturn": "POST /v1/returns/preview",
    "createReturn": "POST /v1/returns",
    "getReturn": "GET /v1/returns/{return_id}",
    "uploadPhotos": "POST /v1/uploads",
    "watchReturn": "GET /v1/returns/{return_id}/events",
    "getLabel": "GET /v1/returns/{return_id}/label",
    "getCustomsDeclaration": "GET /v1/returns/{return_id}/customs-declaration",
    "getLiveness": "GET /livez",
    "getReadiness": "GET /readyz",
    "getProblem": "GET /problems/{code}",
}
"""Generated clients are named after these."""


def test_published_description_is_up_to_date() -> None:
    """openapi/bff.json is what `make openapi` writes."""
    assert json.loads(PUBLISHED.read_text("utf-8")) == DESCRIPTION


def test_every_problem_code_is_listed() -> None:
    """The schema of problems lists the codes of today, and closes the list to none of tomorrow's."""
    code = DESCRIPTION["components"]["schemas"]["Problem"]["properties"]["code"]
    assert code["x-extensible-enum"] == sorted({kind.code for kind in PROBLEM_TYPES.values()})
    assert "enum" not in code


def test_description_is_valid() -> None:
    """It is OpenAPI 3.1 from end to end."""
    assert DESCRIPTION["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(DESCRIPTION).validate()


def test_operation_ids_are_unique() -> None:
    """No two operations share an id."""
    assert len(OPERATIONS) == sum(len(operations) for operations in DESCRIPTION["paths"].values())


@pytest.mark.parametrize(("operation_id", "call"), STABLE.items())
def test_operation_ids_are_stable(operation_id: str, call: str) -> None:
    """An id that was published keeps its call."""
    method, path, _ = OPERATIONS[operation_id]
    assert f"{method} {path}" == call


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_errors_are_problem_documents(operation_id: str) -> None:
    """Every 4xx and 5xx answer is application/problem+json, has the one schema and names its codes."""
    codes = {kind.code for kind in PROBLEM_TYPES.values()}
    for status, response in OPERATIONS[operation_id][2]["responses"].items():
        if status[0] in "45":
            assert response["content"] == {"application/problem+json": PROBLEM}
            assert set(response["description"].replace("`", "").split()) <= codes


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_every_operation_is_described(operation_id: str) -> None:
    """Each operation says in a sentence what it does."""
    assert OPERATIONS[operation_id][2]["description"].endswith(".")


@pytest.mark.parametrize(
    "name", ["NewSession", "NewReturn", "NewReturnItem", "NewRefund", "NewDelivery", "NewCustoms", "NewPhoto"]
)
def test_request_models_are_closed(name: str) -> None:
    """Request bodies take no member that is not described."""
    assert DESCRIPTION["components"]["schemas"][name]["additionalProperties"] is False
