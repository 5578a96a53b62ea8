"""The gateway of compose.yaml as its container runs it: read-only root, no capability, no root user, TLS.

Debian's nginx is older than the image: ` resolve` and `http2 on;` are put in its words.
"""

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from pypdf import PdfReader

from tests.support.page import running_chromium, visiting
from tests.support.processes import LOCAL, Process, Valkey, eventually, free_port, fresh, running, running_bff
from tests.support.raw_server import RawServer, answer, raw_server
from tests.support.sandbox import SandboxProcess

pytestmark = [pytest.mark.system]

WRITABLE = ("/run", "/var/cache/nginx", "/var/lib/nginx")
"""The tmpfs mounts of compose.yaml."""


@pytest.fixture(name="folder")
def deployed(tmp_path: Path) -> Path:
    """deploy/ once it is prepared."""
    shutil.copytree("deploy", tmp_path / "deploy")
    subprocess.run([tmp_path / "deploy/compose/prepare"], check=True, timeout=20)
    return tmp_path / "deploy"


@pytest_asyncio.fixture(name="replica")
async def one_replica() -> AsyncIterator[RawServer]:
    """What answers behind the gateway."""
    async with raw_server(answer(200)) as server:
        yield server


def _configured(folder: Path, replica: int, clear: int, tls: int) -> list[str]:
    """The command that runs the gateway with this configuration; one of its two replicas is away."""
    site = folder / "nginx/site"
    shutil.copytree(folder / "compose/site", site, dirs_exist_ok=True)
    changes = {
        "listen 8080;": f"listen {LOCAL}:{clear};",
        "listen 8443 ssl;\nhttp2 on;": f"listen {LOCAL}:{tls} ssl http2;",
        "/run/secrets": str(folder / "compose/secrets"),
        "/var/www/acme": str(folder / "compose/acme"),
        " resolve": "",
        "bff-1:8000": f"{LOCAL}:{replica}",
        "bff-2:8000": f"{LOCAL}:{free_port()}",
    }
    for path in site.glob("*.conf"):
        text = path.read_text()
        for before, after in changes.items():
            text = text.replace(before, after)
        path.write_text(text)
    own = ["--bind", str(folder), str(folder)]
    temporary = [word for each in WRITABLE if Path(each).is_dir() for word in ("--tmpfs", each)]
    shut_in = ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", *temporary, *own]
    shut_in += ["--unshare-user", "--uid", "33", "--gid", "33", "--cap-drop", "ALL", "--die-with-parent"]
    return [*shut_in, "nginx", "-c", str(folder / "nginx/nginx.conf"), "-e", "stderr", "-g", "daemon off;"]


@asynccontextmanager
async def confined_gateway(folder: Path, replica: int) -> AsyncIterator[tuple[Process, str, str]]:
    """The gateway, and where it listens in clear text and by TLS."""
    clear, tls = free_port(), free_port()
    command = _configured(folder, replica, clear, tls)

    async def answers() -> bool:
        try:
            _, writer = await asyncio.open_connection(LOCAL, tls)
        except OSError:
            return False
        writer.close()
        return True

    async with running(command, answers) as process:
        yield process, f"http://{LOCAL}:{clear}", f"https://{LOCAL}:{tls}"


@pytest_asyncio.fixture(name="gateway")
async def gateway_of_one_replica(folder: Path, replica: RawServer) -> AsyncIterator[tuple[Process, str, str]]:
    """The gateway in front of what answers."""
    async with confined_gateway(folder, replica.port) as gateway:
        yield gateway


@pytest.fixture(name="http")
def client_that_trusts_it(folder: Path) -> httpx.AsyncClient:
    """Verifies the certificate that was prepared for a first try."""
    trusted = ssl.create_default_context(cafile=str(folder / "compose/secrets/tls.crt"))
    return httpx.AsyncClient(verify=trusted, trust_env=False, timeout=10)


async def test_it_starts_and_serves_by_tls(gateway: tuple[Process, str, str], http: httpx.AsyncClient) -> None:
    """On a read-only system with one replica away, the gateway answers by TLS, logs to its output and sends HSTS."""
    process, _, url = gateway
    async with http:
        answered = await http.get(f"{url}/v1/session")
        refused = await http.get(f"{url}/.problem")
    assert answered.status_code == 200
    assert answered.headers["strict-transport-security"] == "max-age=31536000"
    assert refused.headers["strict-transport-security"] == "max-age=31536000"

    async def is_logged() -> bool:
        return '"status":200' in process.output.read_text()

    await eventually(is_logged, 5)


async def test_clear_text_is_sent_to_tls(
    gateway: tuple[Process, str, str], http: httpx.AsyncClient, folder: Path
) -> None:
    """Requests in clear text are redirected, except for those of a certificate authority."""
    _, url, _ = gateway
    proof = folder / "compose/acme/.well-known/acme-challenge/proof"
    proof.parent.mkdir(parents=True)
    proof.write_text("yes")
    async with http:
        redirected = await http.get(f"{url}/v1/session?language=nl")
        proved = await http.get(f"{url}/.well-known/acme-challenge/proof")
    assert redirected.status_code == 308
    assert redirected.headers["location"] == f"https://{LOCAL}/v1/session?language=nl"
    assert "strict-transport-security" not in redirected.headers
    assert (proved.status_code, proved.text) == (200, "yes")


async def test_a_body_too_large_by_http_2(gateway: tuple[Process, str, str]) -> None:
    """By HTTP/2, too, a body that is too large gets its problem document."""
    command = ["curl", "--silent", "--insecure", "--http2", "--data-binary", "@-", f"{gateway[2]}/v1/returns"]
    curl = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    said, _ = await curl.communicate(b" " * (64 * 1024 + 1))
    assert b'"code":"body-too-large"' in said


async def test_a_label_in_the_browser(folder: Path, store: Valkey, sandbox: SandboxProcess, tmp_path: Path) -> None:
    """In Chromium a shopper goes by TLS from the shop's page to the PDF of the label, as after `make stack`."""
    async with (
        running_bff(store.url, sandbox, module="app.sandbox.shop", poll_interval=0.1) as bff,
        confined_gateway(folder, bff.port) as (_, _, url),
        # The certificate was made for a first try.
        running_chromium("--ignore-certificate-errors") as browser,
        visiting(browser, f"{url}/page/") as visit,
    ):
        await visit.send(fresh("LABEL"))
        await visit.headed("Your label is ready")
        async with visit.page.expect_download() as download:
            await visit.click("Download label (PDF)")
        await (await download.value).save_as(tmp_path / "label.pdf")
        tracking = await visit.page.locator("dd").last.inner_text()
        assert tracking in PdfReader(tmp_path / "label.pdf").pages[0].extract_text()
        assert {request.url.split(":")[0] for request in visit.requests} == {"https"}


def test_preparing_twice_changes_nothing(folder: Path) -> None:
    """Existing keys, passwords and certificates are kept."""
    files = [folder / "compose" / name for name in ("bff.env", "secrets/store.conf", "secrets/tls.crt")]
    before = [path.read_bytes() for path in files]
    subprocess.run([folder / "compose/prepare"], check=True, timeout=20)
    assert [path.read_bytes() for path in files] == before
