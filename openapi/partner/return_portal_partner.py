"""Returns from a partner's backend: `return-portal-partner ORDER "POSTAL CODE"`."""

import os
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import httpx

USAGE = 'usage: return-portal-partner ORDER "POSTAL CODE"'
BRAND = "demo"
PATIENCE = 60  # seconds


class Problem(Exception):
    """What the service, or a gateway before it, answered instead; decide on `code`."""

    def __init__(self, response: httpx.Response) -> None:
        own = response.headers.get("content-type", "").startswith("application/problem+json")
        document = response.json() if own else {}
        self.code = document.get("code", "unreachable")
        self.retryable = document.get("retryable", response.is_server_error)
        wait = response.headers.get("retry-after", "")
        self.retry_after = int(wait) if wait.isdigit() else 2
        self.location = response.headers.get("location")
        super().__init__(f"{response.status_code} {self.code} {document.get('request_id', '')}")


class NothingToReturn(Exception):
    """The order has nothing that this program can send back."""


def call(http: httpx.Client, method: str, path: str, **sent: Any) -> httpx.Response:
    """The answer, read to its end. Repeats the same request where that can help; every call below can be repeated."""
    end = time.monotonic() + PATIENCE
    while True:
        problem: Problem | httpx.TransportError
        try:
            response = http.request(method, path, **sent)
            if response.is_success:
                return response
            problem = Problem(response)
            if not problem.retryable:
                raise problem
        except httpx.TransportError as error:  # no answer, or half of one
            problem = error
        pause = getattr(problem, "retry_after", 2)
        if time.monotonic() + pause > end:
            raise problem
        time.sleep(pause)


def look_up(http: httpx.Client, key: str, order: str, postal_code: str) -> Any:
    """The first screen, with a session token in it; `key` is the partner's."""
    wanted = {"identifier": order, "postal_code": postal_code, "token_delivery": "body"}
    return call(http, "POST", f"/v1/brands/{BRAND}/sessions", json=wanted, headers={"X-Partner-Key": key}).json()


def chosen(screen: Any) -> dict[str, Any]:
    """A return of the first item that can come back, to the nearest drop-off point."""
    item = next((each for each in screen["items"] if each["remaining"]), None)
    point = screen["drop_off"]["nearest"]
    if not item or not point:
        raise NothingToReturn("no item of this order can go to a drop-off point")
    options = screen["options"]
    reason, refund = next(iter(options["reasons"]), None), next(iter(options["refund_options"]), None)
    return {
        "items": [{"id": item["id"], "quantity": 1, "reason": reason and reason["id"]}],
        "refund": refund and {"type": refund["code"]},
        "delivery": {"option": "drop_off_point", "service_point": point["id"]},
    }


def create(http: httpx.Client, wanted: dict[str, Any], key: str) -> str:
    """Path of the return, which exists once however often this is called with the same key."""
    try:
        made = call(http, "POST", "/v1/returns", json=wanted, headers={"Idempotency-Key": key})
    except Problem as problem:
        if problem.code != "return-outcome-unknown":
            raise
        return str(problem.location)  # It may exist: it is shown, and never created with another key.
    return made.headers["location"]


def settled(http: httpx.Client, path: str) -> Any:
    """The return once nothing more comes by itself. One to be paid for is waited for too: `payment_url` says where."""
    found = call(http, "GET", path).json()
    while found["retry_after"] is not None:
        before, found = found, call(http, "GET", path, headers={"Prefer": "wait=55"}).json()
        if found["revision"] == before["revision"]:
            time.sleep(found["retry_after"] or 0)
    return found


def make_return(http: httpx.Client, partner_key: str, order: str, postal_code: str) -> None:
    """Makes a return and stores `label.pdf`; prints the state of the return."""
    screen = look_up(http, partner_key, order, postal_code)
    http.headers["Authorization"] = f"Bearer {screen['session_token']}"
    key = str(uuid.uuid4())  # Store it with the order before the first attempt; after a crash send the same one.
    found = settled(http, create(http, chosen(screen), key))
    print(found["state"])
    if found["state"] == "label_ready":
        Path("label.pdf").write_bytes(call(http, "GET", found["label"]["href"]).content)
    call(http, "DELETE", "/v1/session")


def main() -> None:
    """The command: order number and postal code are its arguments, service and key stand in the environment."""
    url, key = os.environ.get("RETURNS_URL", ""), os.environ.get("RETURNS_PARTNER_KEY", "")
    if not url.startswith(("http://", "https://")) or not key:
        sys.exit("Set RETURNS_URL to the service, such as http://localhost:8000, and RETURNS_PARTNER_KEY to your key.")
    if len(sys.argv) != 3:  # noqa: PLR2004  the program itself, and its two arguments
        sys.exit(USAGE)
    try:
        with httpx.Client(base_url=url, timeout=75) as http:  # longer than the service holds an answer
            make_return(http, key, *sys.argv[1:])
    except (Problem, NothingToReturn, httpx.TransportError, httpx.InvalidURL) as problem:
        sys.exit(str(problem))


if __name__ == "__main__":
    main()
