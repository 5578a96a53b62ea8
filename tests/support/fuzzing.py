"""Thousands of cases made from the API description, sent by a shopper who mostly knows what makes sense."""

import copy
import itertools
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

import httpx
import schemathesis
from schemathesis.engine import events, from_schema
from schemathesis.engine.recorder import ScenarioRecorder

from app.http.answers.problems import MEDIA_TYPE
from app.models.problems import Problem
from tests.support.descriptions import OURS
from tests.support.processes import fresh
from tests.support.shopper import POSTAL_CODES, key, return_of

Case: TypeAlias = schemathesis.Case[Any]

BRAND = "demo"
OVERSEAS = ("INTL", "pickup")
EASY = ("INSTANT", "drop_off_point")
ORDERS = {
    "ITEMS": "drop_off_point",
    "LABELLESS": "drop_off_labelless",
    "STORE": "in_store",
    "COLLI": "drop_off_point",
    "UNSHIPPED": "drop_off_point",
    "FAIL": "drop_off_point",
    "REFUSE": "drop_off_point",
    "CREATE500": "drop_off_point",
    "CREATEFOREIGN": "drop_off_point",
    "POLLHTML": "drop_off_point",
    "PDFHTML": "drop_off_point",
    "PDFEMPTY": "drop_off_point",
    "REVOKED": "drop_off_point",
}
"""Magic orders and how they travel back, an easy one and one from overseas before each; no answer is cut or late.

None is rate-limited: that would keep the whole fleet from the upstream for a while.
"""
LOOKUPS = (
    *ORDERS,
    "INSTANT",
    "EXPIRED",
    "LOOKUP500",
    "LOOKUPHTML",
    "LOOKUPBAD",
    "LOOKUPERRORS",
    "LOOKUPREDIRECT",
)
CASES_A_SESSION = 20
OVER = {
    httpx.codes.NO_CONTENT,
    httpx.codes.UNAUTHORIZED,
    httpx.codes.CONFLICT,
    httpx.codes.SERVICE_UNAVAILABLE,
    httpx.codes.GATEWAY_TIMEOUT,
}
"""Statuses after which another session is more fun."""
FOREIGN_STATUSES = ["2xx", "3xx", "4xx", "502", "503", "504"]
"""The magic orders ask for trouble with the upstream; a 500 is never anybody's wish."""
ACCEPTABLE_STATUSES = ["2xx", "3xx", "400", "401", "403", "404", "409", "422", "429", "5xx"]
"""Whether an item exists and whether two members fit together is beyond any schema."""
REFUSALS = ["400", "401", "403", "404", "422", "5xx"]
"""What a case that is wrong on purpose may be answered."""
UNFIT_FILES = ["413", "415"]
"""Too many or too large, or no image."""
NO_RETURN = "rtn_none"
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(32)


class Fuzzer:
    """Signs cases in, one session for some of them, and makes three of four sound cases meaningful as well."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self._orders = itertools.chain.from_iterable(
            (EASY, OVERSEAS, order) for order in itertools.cycle(ORDERS.items())
        )
        self._lookups = itertools.cycle(LOOKUPS)
        self._turns = itertools.count()
        self._headers: dict[str, str] = {}
        self._screen: dict[str, Any] = {}
        self._option = ""
        self._cases_left = 0
        self._returned = ""
        self._handoff = ""

    def get(self, case: Case, _: schemathesis.AuthContext) -> str | None:
        """The bearer token for this case, if it takes one."""
        return self._token() if "security" in case.operation.definition.raw else None

    def set(self, case: Case, token: str, _: schemathesis.AuthContext) -> None:
        """Signs the case in."""
        case.headers["Authorization"] = f"Bearer {token}"

    def improve(self, case: Case, sent: dict[str, Any]) -> None:
        """Replaces invented values by existing ones; cases that are wrong on purpose stay."""
        made_up = case.meta and case.meta.generation.mode is schemathesis.GenerationMode.POSITIVE
        if not made_up or not next(self._turns) % 4:
            return
        operation_id = case.operation.definition.raw["operationId"]
        if "Authorization" in case.headers:
            # Cases are made before they are sent: the session may be over by now.
            case.headers["Authorization"] = f"Bearer {self._token(operation_id)}"
        case.path_parameters.update({name: self._known(name, value) for name, value in case.path_parameters.items()})
        if operation_id == "uploadPhotos":
            sent["files"] = {"photo": ("photo.png", PICTURE)}
        elif isinstance(case.body, dict):
            case.body = self._meaningful(operation_id, case.body)
        if operation_id == "createReturn":
            case.headers["Idempotency-Key"] = key()

    def learn(self, case: Case, response: schemathesis.Response) -> None:
        """Remembers created and ended objects."""
        if case.operation.label == "POST /v1/returns" and response.status_code == httpx.codes.ACCEPTED:
            self._returned = response.json()["id"]
        elif case.operation.label == "POST /v1/session/handoff" and response.status_code == httpx.codes.CREATED:
            self._handoff = response.json()["token"]
        if response.status_code in OVER:
            self._cases_left = 0

    def _token(self, operation_id: str = "") -> str:
        """Of a session that fits: for a creation, of a whole parcel, else of one with a return."""
        creating, declaring = operation_id == "createReturn", operation_id == "getCustomsDeclaration"
        if self._cases_left <= 0 or (creating and self._returned) or (declaring and self._option != OVERSEAS[1]):
            self._look_up(*(OVERSEAS if declaring else next(self._orders)))
            self._returned = "" if creating else self._create()
        self._cases_left -= 1
        return cast("str", self._screen["session_token"])

    def _look_up(self, prefix: str, option: str) -> None:
        wanted = {"identifier": fresh(prefix), "postal_code": POSTAL_CODES[BRAND], "token_delivery": "body"}
        answer = self._http.post(f"/v1/brands/{BRAND}/sessions", json=wanted)
        self._screen, self._option, self._cases_left = answer.raise_for_status().json(), option, CASES_A_SESSION

    def _create(self) -> str:
        headers = {"Authorization": f"Bearer {self._screen['session_token']}", "Idempotency-Key": key()}
        answer = self._http.post("/v1/returns", json=self._return(), headers=headers)
        if answer.status_code != httpx.codes.ACCEPTED:
            return NO_RETURN
        # Its documents are there sooner or later; sooner is better.
        self._http.get(answer.headers["Location"], headers=headers | {"Prefer": "wait=1"})
        return cast("str", answer.json()["id"])

    def _return(self) -> dict[str, Any]:
        customs = {"invoice_number": "1"} if self._option == OVERSEAS[1] else None
        return return_of(self._screen, self._option) | {"customs": customs}

    def _known(self, name: str, made_up: Any) -> Any:
        match name:
            case "brand":
                return BRAND
            case "code":
                return "not-found"
            case "return_id" if self._returned:
                return self._returned
            case "service_point_id" if self._screen["drop_off"]["nearest"]:
                return self._screen["drop_off"]["nearest"]["id"]
            case _:
                return made_up

    def _meaningful(self, operation_id: str, body: dict[str, Any]) -> dict[str, Any]:
        match operation_id:
            case "createSession":
                known = {"identifier": fresh(next(self._lookups)), "postal_code": POSTAL_CODES[BRAND]}
                return body | known
            case "createHandoff":
                return {"page": None}
            case "redeemHandoff":
                return body | {"token": self._handoff}
            case _:
                return body | self._return() | {"reason": None, "photos": None, "parcels": 1}


def problem_documents(_: schemathesis.CheckContext, response: schemathesis.Response, case: Case) -> None:
    """Every error is a problem document with a code that the description names for the status, and no other."""
    if response.status_code < httpx.codes.BAD_REQUEST:
        return
    assert response.headers["content-type"] == [MEDIA_TYPE], response.headers
    problem = Problem.model_validate_json(response.content, strict=True)
    assert (problem.status, [problem.request_id]) == (response.status_code, response.headers["x-request-id"])
    documented = case.operation.definition.raw["responses"].get(str(response.status_code))
    if response.status_code != httpx.codes.METHOD_NOT_ALLOWED:
        assert f"`{problem.code}`" in documented["description"], f"{problem.code} is not described"


@dataclass
class Findings:
    """What a run has seen."""

    cases: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By operation and phase."""
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    """By operation."""
    failures: list[str] = field(default_factory=list)
    """A finding, with a command that reproduces it."""

    def add(self, phase: str, scenario: ScenarioRecorder) -> None:
        """Counts the cases of a scenario."""
        for case_id, node in scenario.cases.items():
            interaction = scenario.interactions.get(case_id)
            operation = node.value.operation.label
            self.cases[operation, phase] += 1
            if interaction and interaction.response:
                self.statuses[operation, interaction.response.status_code] += 1
        for check in itertools.chain.from_iterable(scenario.checks.values()):
            if check.failure_info:
                self.failures.append(f"{phase}: {check.failure_info.failure}\n{check.failure_info.code_sample}")


def strict_description() -> dict[str, Any]:
    """The shoppers' part of the description without catch-all answers, so that every unnamed status is a finding."""
    # Shoppers have no key of a shop and sign no webhook, and would be refused every time.
    paths = {
        path: each
        for path, each in OURS["paths"].items()
        if not path.startswith("/v1/shops/") and not path.endswith("/upstream-events")
    }
    description = copy.deepcopy({**OURS, "paths": paths})
    for operations in description["paths"].values():
        for operation in operations.values():
            del operation["responses"]["default"]
    return description


def fuzzed(base_url: str, examples: int, chains: int) -> Findings:
    """What all phases find with so many examples per operation, and the chains of calls so many times more.

    Chains begin anew because the library ends them as soon as a repeated call is answered otherwise, as creations are.
    """
    found = Findings()
    with httpx.Client(base_url=base_url, trust_env=False) as http, _hooked(Fuzzer(http)) as fuzzer:
        for seed in range(chains + 1):
            config = _config(base_url, examples, seed, all_phases=seed == 0)
            schema = schemathesis.openapi.from_dict(strict_description(), config=config)
            schema.auth.providers.append(fuzzer)
            for event in from_schema(schema).execute():
                if isinstance(event, events.ScenarioFinished):
                    found.add(event.phase.value, event.recorder)
                elif isinstance(event, events.NonFatalError):
                    found.failures.append(f"{event.label}: {event.info.message}")
    return found


def _config(base_url: str, examples: int, seed: int, *, all_phases: bool) -> schemathesis.Config:
    return schemathesis.Config.from_dict(
        {
            "seed": seed,
            "base-url": base_url,
            "request-timeout": 15,
            "generation": {"max-examples": examples, "no-shrink": True, "database": "none"},
            "phases": {"enabled": all_phases, "stateful": {"enabled": True}},
            "checks": {
                "not_a_server_error": {"expected-statuses": FOREIGN_STATUSES},
                "positive_data_acceptance": {"expected-statuses": ACCEPTABLE_STATUSES},
            },
            "operations": [
                # Ending an absent session is 204.
                {"include-operation-id": "deleteSession", "checks": {"ignored_auth": {"enabled": False}}},
                # GET is a method of that path too: it asks for a return called "preview".
                {"include-operation-id": "previewReturn", "checks": {"allow_header_conformance": {"enabled": False}}},
                {
                    "include-operation-id": "uploadPhotos",
                    "checks": {
                        "negative_data_rejection": {"expected-statuses": [*REFUSALS, *UNFIT_FILES]},
                        "positive_data_acceptance": {"expected-statuses": [*ACCEPTABLE_STATUSES, *UNFIT_FILES]},
                    },
                },
            ],
        }
    )


@contextmanager
def _hooked(fuzzer: Fuzzer) -> Iterator[Fuzzer]:
    """The library knows checks and hooks of calls for the whole process only."""

    def before_call(_: schemathesis.HookContext, case: Case, kwargs: dict[str, Any]) -> None:
        fuzzer.improve(case, kwargs)

    def after_call(_: schemathesis.HookContext, case: Case, response: schemathesis.Response) -> None:
        fuzzer.learn(case, response)

    schemathesis.check(problem_documents)
    schemathesis.hook(before_call)
    schemathesis.hook(after_call)
    try:
        yield fuzzer
    finally:
        schemathesis.hooks.unregister_all()
