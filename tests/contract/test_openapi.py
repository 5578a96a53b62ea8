"""The published description is the one the code gives, is sound, and tells of problem documents."""

import json
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from app.http.problem_types import PROBLEM_TYPES
from app.models.examples import NEW_RETURNS
from app.models.requests import NewReturn
from tests.support.descriptions import OURS

PUBLISHED = Path(__file__).parents[2] / "openapi" / "bff.json"
OPERATIONS = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, operations in OURS["paths"].items()
    for method, operation in operations.items()
}
PROBLEM = {"$ref": "#/components/schemas/Problem"}
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
    "getShopReturn": "GET /v1/shops/{brand}/returns/{return_id}",
    "getParcelUnits": "GET /v1/shops/{brand}/returns/{return_id}/units",
    "resolveReturn": "POST /v1/shops/{brand}/returns/{return_id}/resolve",
    "eraseReturn": "POST /v1/shops/{brand}/returns/{return_id}/erase",
    "findReturnsOfOrder": "POST /v1/shops/{brand}/returns/search",
    "eraseReturnsOfOrder": "POST /v1/shops/{brand}/returns/erase",
    "getDeadEvents": "GET /v1/shops/{brand}/dead-events",
    "resendDeadEvents": "POST /v1/shops/{brand}/dead-events/resend",
    "takeUpstreamEvent": "POST /v1/brands/{brand}/upstream-events",
    "getLiveness": "GET /livez",
    "getReadiness": "GET /readyz",
    "getProblem": "GET /problems/{code}",
}
"""Generated clients are named after these."""


def test_published_description_is_up_to_date() -> None:
    """openapi/bff.json is what `make openapi` writes."""
    assert json.loads(PUBLISHED.read_text("utf-8")) == OURS


def test_every_problem_code_is_listed() -> None:
    """The schema of problems lists the codes of today, and closes the list to none of tomorrow's."""
    code = OURS["components"]["schemas"]["Problem"]["properties"]["code"]
    assert code["x-extensible-enum"] == sorted({kind.code for kind in PROBLEM_TYPES.values()})
    assert "enum" not in code


def test_description_is_valid() -> None:
    """The API description is valid OpenAPI 3.1."""
    assert OURS["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(OURS).validate()


def test_operation_ids_are_unique() -> None:
    """No two operations share an id."""
    assert len(OPERATIONS) == sum(len(operations) for operations in OURS["paths"].values())


@pytest.mark.parametrize(("operation_id", "call"), STABLE.items())
def test_operation_ids_are_stable(operation_id: str, call: str) -> None:
    """A published operation id keeps its call."""
    method, path, _ = OPERATIONS[operation_id]
    assert f"{method} {path}" == call


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_errors_are_problem_documents(operation_id: str) -> None:
    """Every 4xx and 5xx answer is a problem document, with an example of each code that it names."""
    codes = {kind.code for kind in PROBLEM_TYPES.values()}
    for status, response in OPERATIONS[operation_id][2]["responses"].items():
        if status[0] in "45":
            named = response["description"].replace("`", "").split()
            assert set(named) <= codes
            [(media_type, content)] = response["content"].items()
            assert (media_type, content["schema"]) == ("application/problem+json", PROBLEM)
            assert list(content["examples"]) == named


@pytest.mark.parametrize("operation_id", [each for each in OPERATIONS if each != "getReadiness"])
def test_overload_is_named(operation_id: str) -> None:
    """A call that can be turned away names `overloaded` at its 503, and at `default` only if it names no 503."""
    answers = OPERATIONS[operation_id][2]["responses"]
    place = answers.get("503", answers["default"])
    assert "overloaded" in place["content"]["application/problem+json"]["examples"]


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_wrong_parameters_are_named(operation_id: str) -> None:
    """A call whose parameters can be wrong names the 422 that says so; its own problems judge the idempotency key."""
    operation = OPERATIONS[operation_id][2]
    schemas = [each["schema"] for each in operation.get("parameters", []) if each["name"] != "Idempotency-Key"]
    can_be_wrong = any(schema.keys() & {"maxLength", "minimum", "enum", "anyOf"} for schema in schemas)
    assert not can_be_wrong or "`invalid-request`" in operation["responses"]["422"]["description"]


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_every_operation_is_described(operation_id: str) -> None:
    """Each operation says in a sentence what it does."""
    assert OPERATIONS[operation_id][2]["description"].endswith(".")


@pytest.mark.parametrize(
    "name", ["NewSession", "NewReturn", "NewReturnItem", "NewRefund", "InStore", "NewCustoms", "NewPhoto", "Resolution"]
)
def test_request_models_are_closed(name: str) -> None:
    """Request bodies take no member that is not described."""
    assert OURS["components"]["schemas"][name]["additionalProperties"] is False


def test_every_member_is_described() -> None:
    """Each member of each body, and each parameter, says what it holds."""
    schemas = OURS["components"]["schemas"]
    members = {
        f"{name}.{member}": schema
        for name, each in schemas.items()
        for member, schema in each.get("properties", {}).items()
    }
    parameters = {
        f"{name}({parameter['name']})": parameter
        for name, (_, _, operation) in OPERATIONS.items()
        for parameter in operation.get("parameters", [])
    }
    assert [
        name for name, each in (members | parameters).items() if "description" not in each and "$ref" not in each
    ] == []


def test_every_answer_declares_its_headers() -> None:
    """Each answer has a request id; other headers stand where they can come."""
    answers = [each for _, _, operation in OPERATIONS.values() for each in operation["responses"].values()]
    assert all("X-Request-Id" in answer["headers"] for answer in answers)
    assert "Location" in OPERATIONS["createReturn"][2]["responses"]["202"]["headers"]


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_credentials_are_stated(operation_id: str) -> None:
    """A call needs a session, or the key of a shop, or says that it needs neither."""
    method, path, operation = OPERATIONS[operation_id]
    is_open = path.startswith(("/v1/brands/", "/v1/handoffs", "/livez", "/readyz", "/problems/"))
    needed: list[dict[str, list[str]]] = (
        [{"shop_key": []}] if path.startswith("/v1/shops/") else [{"bearer": []}, {"cookie": []}]
    )
    assert operation["security"] == ([] if is_open else needed), method


def test_delivery_is_told_apart_by_its_option() -> None:
    """A return in store names the store; a preview takes it without."""
    delivery = OURS["components"]["schemas"]["NewDelivery"]
    assert delivery["discriminator"]["mapping"]["in_store"] == "#/components/schemas/InStore"
    assert OURS["components"]["schemas"]["InStore"]["required"] == ["option", "store"]
    assert OURS["components"]["schemas"]["DeliveryDraft"]["required"] == ["option"]


def test_states_are_open() -> None:
    """A client that was generated today takes a state that a later version adds."""
    state = OURS["components"]["schemas"]["ReturnState"]
    assert "enum" not in state
    assert "label_ready" in state["x-extensible-enum"]


def test_calls_stand_in_the_order_of_the_journey() -> None:
    """A reader of /docs who calls one after the other gets from the shop to the label."""
    journey = [
        "getPortal",
        "createSession",
        "findServicePoints",
        "uploadPhotos",
        "previewReturn",
        "createReturn",
        "getLabel",
    ]
    assert [each for each in OPERATIONS if each in journey] == journey


@pytest.mark.parametrize("name", NEW_RETURNS)
def test_examples_of_returns_are_valid(name: str) -> None:
    """A body that is copied from the description is one that the service reads."""
    NewReturn.model_validate_json(json.dumps(NEW_RETURNS[name]["value"]))
