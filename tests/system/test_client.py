"""The TypeScript client, packed and installed as a front end has it, against real processes. Needs node and npm."""

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Route

from tests.support.page import running_chromium, visiting
from tests.support.processes import LOCAL, Bff, Valkey, fresh, running_bff
from tests.support.raw_server import Behaviour, fin, raw_server
from tests.support.sandbox import SandboxProcess

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

CLIENT = Path("openapi/client")
NO_DOCUMENT = "HTTP/1.1 200 OK\r\ncontent-type: application/pdf\r\n"


def _npm(folder: Path, *words: str) -> None:
    subprocess.run(["npm", *words], cwd=folder, check=True, timeout=240)  # noqa: S607  npm from the PATH


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the client, built with its locked tools and freshly generated types."""
    folder = tmp_path_factory.mktemp("client") / "openapi"
    shutil.copytree("openapi", folder, ignore=shutil.ignore_patterns("node_modules", "*.tgz"))
    _npm(folder / "client", "ci", "--ignore-scripts", "--silent")
    _npm(folder / "client", "run", "--silent", "generate")
    _npm(folder / "client", "run", "--silent", "build")
    _npm(folder / "client", "pack", "--silent", "--pack-destination", str(folder))
    return folder / "client"


@pytest.fixture(scope="module")
def cases(client: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A front end, the client's sample included, that compiled strictly against the packed client."""
    folder = tmp_path_factory.mktemp("consumer") / "consumer"
    shutil.copytree("tests/system/consumer", folder)
    sample = re.search(r"```ts\n(.*?)```", (CLIENT / "README.md").read_text(), re.DOTALL)
    (folder / "readme.ts").write_text(sample[1] if sample else "")
    [package] = client.parent.glob("*.tgz")
    _npm(folder, "install", "--silent", "--no-audit", "--no-fund", "--offline", str(package))
    subprocess.run([client / "node_modules/.bin/tsc"], cwd=folder, check=True)
    return folder / "dist/cases.js"


async def _seen(cases: Path, name: str, port: int, order: str = "") -> Any:
    """What the case of this name printed."""
    words = ["node", str(cases), name, f"http://{LOCAL}:{port}", order]
    process = await asyncio.create_subprocess_exec(*words, stdout=subprocess.PIPE)
    printed, _ = await asyncio.wait_for(process.communicate(), 90)
    assert process.returncode == 0
    return json.loads(printed)


@pytest_asyncio.fixture(scope="module", name="shop")
async def shop_with_page(valkey: Valkey, sandbox: SandboxProcess) -> AsyncIterator[Bff]:
    """The service as `make run` serves it, with a page on its own origin; its deadlines are those of production."""
    async with running_bff(valkey.url, sandbox, module="app.sandbox.shop", poll_interval=0.1) as process:
        yield process


def test_types_are_up_to_date(client: Path) -> None:
    """The committed types are those that the description gives."""
    for path in (client / "src/schema.ts", *client.glob("dist/*")):
        assert path.read_text() == (CLIENT / path.relative_to(client)).read_text(), path.name


def test_nothing_is_needed_at_run_time(cases: Path) -> None:
    """A front end that installs the client installs nothing else."""
    assert [path.name for path in (cases.parents[1] / "node_modules").glob("[@a-z]*")] == ["@return-portal-bff"]


def test_lock_names_no_host() -> None:
    """The client's lock has hashes and no addresses."""
    locked = json.loads((CLIENT / "package-lock.json").read_text())["packages"]
    assert all("resolved" not in each for each in locked.values())
    assert all("integrity" in each for name, each in locked.items() if name)


async def test_journey(cases: Path, bff: Bff, sandbox: SandboxProcess) -> None:
    """From settings to label and goodbye; a second call with the same key creates nothing."""
    order = fresh("SLOWLABEL")
    seen = await _seen(cases, "journey", bff.port, order)
    assert len(await sandbox.ledger(kind="incoming", order=order)) == 1
    assert (seen["language"][:2], seen["available"], seen["valid"], seen["same"]) == ("de", True, True, True)
    assert (seen["states"], seen["events"]) == (["label_pending", "label_ready"], ["label_ready"])
    assert seen["label"].startswith("%PDF-")
    assert seen["label"].endswith("%%EOF\n")
    assert (seen["returns"], seen["after"]["code"]) == (1, "session-required")


async def test_without_the_newest(cases: Path, bff: Bff) -> None:
    """A platform without AbortSignal.any and TextDecoderStream, such as Node 18 or React Native, follows a return."""
    seen = await _seen(cases, "withoutTheNewest", bff.port, fresh("SLOWLABEL"))
    assert seen["states"] == ["label_pending", "label_ready"]
    assert seen["label"].startswith("%PDF-")


@pytest.mark.parametrize(
    ("case", "prefix", "code", "status"),
    [("problem", "NOBODY", "parcel-not-found", 404), ("wrong", "LABEL", "invalid-request", 422)],
)
async def test_problems(cases: Path, bff: Bff, case: str, prefix: str, code: str, status: int) -> None:
    """An error of the service is a Problem with its code and status."""
    told = await _seen(cases, case, bff.port, fresh(prefix))
    assert (told["code"], told["status"], told["retryable"]) == (code, status, False)
    assert [each["pointer"] for each in told["errors"]] == (["#/parcels"] if case == "wrong" else [])


async def test_nobody_there(cases: Path, unused_tcp_port: int) -> None:
    """A service that cannot be reached is a problem that repeating can help."""
    told = await _seen(cases, "problem", unused_tcp_port, "LABEL-0001")
    assert (told["code"], told["status"], told["retryable"]) == ("unreachable", 0, True)


async def test_claimed_units(cases: Path, bff: Bff) -> None:
    """Another return of the same units names the one that holds them, and is not repeated."""
    seen = await _seen(cases, "claimed", bff.port, fresh("LABEL"))
    assert (seen["problem"]["code"], seen["problem"]["returnId"]) == ("units-claimed", seen["id"])


async def test_side_by_side(cases: Path, shop: Bff, sandbox: SandboxProcess) -> None:
    """Two calls at once with one key are one return: the client repeats the one that is told to wait."""
    order = fresh("SLOW")
    seen = await _seen(cases, "sideBySide", shop.port, order)
    assert len(set(seen["ids"])) == 1
    assert seen["requests"] > len(["lookup", "create", "create"])
    assert len(await sandbox.ledger(kind="incoming", order=order)) == 1


async def test_unknown_outcome(cases: Path, bff: Bff) -> None:
    """A return whose outcome is unknown is asked for once, and can be shown."""
    seen = await _seen(cases, "unknown", bff.port, fresh("CREATERESET"))
    assert (seen["told"]["code"], seen["told"]["status"], seen["told"]["retryable"]) == (
        "return-outcome-unknown",
        504,
        False,
    )
    assert (seen["requests"], seen["shown"]["state"]) == (1, "outcome_unknown")


async def test_busy(cases: Path, bff: Bff) -> None:
    """A 503 is repeated where it says when, and handed on where it does not."""
    seen = await _seen(cases, "busy", bff.port, fresh("LABEL"))
    assert seen["made"]["state"] == "label_pending"
    assert (seen["told"]["code"], seen["told"]["status"], seen["told"]["retryable"]) == ("unreachable", 503, True)


async def test_interrupted_wait(cases: Path, bff: Bff) -> None:
    """Waiting outlives a gateway's error and a lost connection."""
    assert (await _seen(cases, "interrupted", bff.port, fresh("LABEL")))["state"] == "label_ready"


async def test_no_listener_stays(cases: Path) -> None:
    """A signal that many calls share has none of their listeners once they have ended, however they did."""
    assert await _seen(cases, "listeners", port=1) == {"listening": 0, "requests": 4}


async def test_aborted_wait(cases: Path, bff: Bff) -> None:
    """An aborted wait ends with the reason of its signal while the service still holds the request."""
    seen = await _seen(cases, "aborted", bff.port, fresh("PAID"))
    assert seen == {"error": "AbortError", "states": ["awaiting_payment"], "early": True}


@pytest.mark.parametrize(
    "behaviour",
    [
        fin(f"{NO_DOCUMENT}content-length: 9000\r\n\r\n%PDF-".encode()),
        fin(f"{NO_DOCUMENT}transfer-encoding: chunked\r\n\r\n5\r\n%PDF-\r\n".encode()),
    ],
    ids=["announced length", "chunked"],
)
async def test_label_that_breaks_off(cases: Path, behaviour: Behaviour) -> None:
    """Half a label is a problem, never a document."""
    async with raw_server(behaviour) as server:
        told = await _seen(cases, "label", server.port)
    assert (told["code"], told["retryable"]) == ("incomplete", True)


async def test_label_that_is_short(cases: Path, bff: Bff) -> None:
    """A download that a browser hands over with fewer bytes than announced is refused."""
    assert (await _seen(cases, "short", bff.port))["code"] == "incomplete"


async def test_photos(cases: Path, bff: Bff) -> None:
    """Pictures are stored and their handles come back."""
    [upload] = (await _seen(cases, "photos", bff.port, fresh("LABEL")))["uploads"]
    assert upload["file"].startswith("up_")


async def _given(path: Path, route: Route) -> None:
    await route.fulfill(path=path)


async def test_browser(client: Path, shop: Bff) -> None:
    """In a browser the same client has its session in the cookie, and scripts see no token."""
    url = f"http://localhost:{shop.port}/"
    async with running_chromium() as browser, visiting(browser, url) as visit:
        for name in ("index", "patience", "problem", "schema"):
            await visit.page.route(f"**/client/{name}.js", partial(_given, client / f"dist/{name}.js"))
        seen = await visit.page.evaluate(JOURNEY, fresh("LABEL"))
    assert seen == {"token": None, "state": "label_ready", "size": seen["size"], "after": "session-required"}
    assert seen["size"]


JOURNEY = """async (identifier) => {
  const { ReturnPortal } = await import("/client/index.js");
  const client = new ReturnPortal("");
  const screen = await client.createSession("demo", { identifier, postal_code: "5611 AA" });
  const made = await client.createReturn({
    items: [{ id: screen.items[0].id, quantity: 1, reason: screen.options.reasons[0].id }],
    refund: { type: screen.options.refund_options[0].code },
    delivery: { option: "drop_off_point", service_point: screen.drop_off.nearest.id },
  }, crypto.randomUUID());
  const { state } = await client.waitForLabel(made.id);
  const { size } = await client.getLabel(made.id);
  await client.deleteSession();
  const after = await client.getSession().catch((problem) => problem.code);
  return { token: client.token ?? screen.session_token, state, size, after };
}"""
