"""Returns from a partner's backend: `return-portal-partner ORDER "POSTAL CODE"`."""

import os
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import httpx

BRAND = "demo"
PARTNER_KEY = os.environ["RETURNS_PARTNER_KEY"]
PATIENCE = 60  # seconds
http = httpx.Client(base_url=os.environ["RETURNS_URL"], timeout=75)  # longer than the service holds an answer


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


def call(method: str, path: str, **sent: Any) -> httpx.Response:
    """The answer, read to its end. Repeats the same request where that can help; every call below can be repeated."""
    end = time.monotonic() + PATIENCE
    while True:
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


def look_up(order: str, postal_code: str) -> dict[str, Any]:
    """The first screen, with a session token in it."""
    wanted = {"identifier": order, "postal_code": postal_code, "token_delivery": "body"}
    headers = {"X-Partner-Key": PARTNER_KEY}
    return call("POST", f"/v1/brands/{BRAND}/sessions", json=wanted, headers=headers).json()


def chosen(screen: dict[str, Any]) -> dict[str, Any]:
    """A return of the first item that can come back, to the nearest drop-off point."""
    item = next(each for each in screen["items"] if each["returnable"] and each["remaining"])
    return {
        "items": [{"id": item["id"], "quantity": 1, "reason": screen["options"]["reasons"][0]["id"]}],
        "refund": {"type": screen["options"]["refund_options"][0]["code"]},
        "delivery": {"option": "drop_off_point", "service_point": screen["drop_off"]["nearest"]["id"]},
    }


def create(wanted: dict[str, Any], key: str, session: dict[str, str]) -> str:
    """Path of the return, which exists once however often this is called with the same key."""
    try:
        return call("POST", "/v1/returns", json=wanted, headers=session | {"Idempotency-Key": key}).headers["location"]
    except Problem as problem:
        if problem.code != "return-outcome-unknown":
            raise
        return problem.location  # It may exist: it is shown, and never created with another key.


def settled(path: str, session: dict[str, str]) -> dict[str, Any]:
    """The return once nothing more comes by itself. One to be paid for is waited for too: `payment_url` says where."""
    found = call("GET", path, headers=session).json()
    while found["retry_after"] is not None:
        before, found = found, call("GET", path, headers=session | {"Prefer": "wait=55"}).json()
        if found["revision"] == before["revision"]:
            time.sleep(found["retry_after"] or 0)
    return found


def make_return(order: str, postal_code: str) -> None:
    """Makes a return and stores `label.pdf`; prints the state of the return."""
    screen = look_up(order, postal_code)
    session = {"Authorization": f"Bearer {screen['session_token']}"}
    key = str(uuid.uuid4())  # Store it with the order before the first attempt; after a crash send the same one.
    path = create(chosen(screen), key, session)
    found = settled(path, session)
    print(found["state"])
    if found["state"] == "label_ready":
        Path("label.pdf").write_bytes(call("GET", found["label"]["href"], headers=session).content)
    call("DELETE", "/v1/session", headers=session)


def main() -> None:
    """The command: order number and postal code are its arguments."""
    try:
        make_return(*sys.argv[1:])
    except (Problem, httpx.TransportError) as problem:
        sys.exit(str(problem))


if __name__ == "__main__":
    main()
