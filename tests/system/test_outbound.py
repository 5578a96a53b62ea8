"""The service as a process withstands a hostile environment and a bomb in an answer."""

import asyncio
import ssl
import zlib
from pathlib import Path

import httpx
import pytest

from tests.support import scripted_upstream
from tests.support.processes import Bff, Valkey, running_bff
from tests.support.raw_server import answer, raw_server, self_signed, silence
from tests.support.sandbox import SandboxProcess
from tests.support.shopper import Shopper, told

pytestmark = pytest.mark.system

BRAND = "my-shop"
BOMB_MIB = 300
ALLOWED_RISE = 30 * 1024 * 1024
PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


async def look_up(bff: Bff, brand: str = BRAND) -> Shopper:
    """A shopper after a lookup."""
    wanted = {"identifier": "A-1001", "postal_code": "5611 AA", "token_delivery": "body"}
    screen = (await bff.http.post(f"/v1/brands/{brand}/sessions", json=wanted)).raise_for_status().json()
    return Shopper(bff.http, screen, {"Authorization": f"Bearer {screen['session_token']}"})


async def test_proxies_and_netrc_are_ignored(
    valkey: Valkey, sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A whole journey sees no proxy of the environment and takes no password from a netrc file."""
    for name in ("netrc", ".netrc"):
        (tmp_path / name).write_text("machine 127.0.0.1 login sword password fish\ndefault login sword password fish\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    async with raw_server(silence) as proxy, scripted_upstream.scripted_upstream() as upstream:
        for name in PROXIES:
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", "")
        urls = {"upstream_url": upstream.url, "service_points_url": upstream.url}
        async with running_bff(valkey.url, sandbox, brands="proxied", poll_interval=0.05, **urls) as bff:
            someone = await look_up(bff, "proxied")
            location = (await someone.create(someone.body("pickup"))).headers["location"]
            await someone.settled(location)
            assert (await someone.get(f"{location}/label")).status_code == 200
        assert proxy.connections == 0
    calls = {each.path.rpartition("/")[2]: each.headers.get("authorization", "") for each in upstream.heard}
    assert {call for call, credential in calls.items() if credential} == {"incoming"}
    assert calls.keys() == {"return-portal", "outgoing", "incoming", "polling", "download"}


async def test_certificates_of_the_environment_are_not_trusted(
    valkey: Valkey, sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A server with a certificate of its own making gets no request, even if the environment calls it trusted."""
    theirs, ours = self_signed("localhost")
    async with raw_server(silence, tls=theirs) as server:
        authority = tmp_path / "authority.pem"
        authority.write_text(await asyncio.to_thread(ssl.get_server_certificate, ("localhost", server.port)))
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            monkeypatch.setenv(name, str(authority))
        monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
        monkeypatch.setenv("PYTHONHTTPSVERIFY", "0")
        url = f"https://localhost:{server.port}/api/v2"
        urls = {"upstream_url": url, "service_points_url": url}
        async with running_bff(valkey.url, sandbox, brands="untrusted", **urls) as bff:
            wanted = {"identifier": "A-1001", "postal_code": "5611 AA"}
            answers = [
                await bff.http.post("/v1/brands/untrusted/sessions", json=wanted),
                await bff.http.get("/v1/brands/untrusted/portal"),
            ]
            assert [told(each) for each in answers] == [(502, "bad-upstream")] * 2
        assert server.requests == []
        # Who does trust it gets through.
        async with httpx.AsyncClient(verify=ours, trust_env=False, timeout=1) as trusting:
            with pytest.raises(httpx.ReadTimeout):
                await trusting.get(url)
        assert len(server.requests) == 1


def most_resident(pid: int) -> int:
    """Bytes of memory that this process held at most since it was asked last."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM:")]
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return int(line.split()[1]) * 1024


def bomb() -> bytes:
    """A JSON text of 300 MiB that needs about 300 KiB on the wire."""
    squeezed, mebibyte = zlib.compressobj(wbits=31), b" " * 1024 * 1024
    pieces = [squeezed.compress(mebibyte) for _ in range(BOMB_MIB)]
    return b"".join([*pieces, squeezed.compress(b"{}"), squeezed.flush()])


async def test_a_bomb_is_never_unpacked(valkey: Valkey, sandbox: SandboxProcess) -> None:
    """300 MiB of JSON or PDF in 300 KiB of gzip are the upstream's fault and cost next to no memory."""
    exploding = scripted_upstream.always(answer(200, bomb(), headers="content-encoding: gzip\r\n"))
    async with scripted_upstream.scripted_upstream() as upstream:
        urls = {"upstream_url": upstream.url, "service_points_url": upstream.url}
        brands = f"{BRAND},another"
        async with running_bff(valkey.url, sandbox, brands=brands, poll_interval=0.05, timed=True, **urls) as bff:
            someone = await look_up(bff)
            location = (await someone.create(someone.body("pickup"))).headers["location"]
            await someone.settled(location)
            most_resident(bff.process.pid)
            before = most_resident(bff.process.pid)
            upstream.do(return_portal=exploding, download=exploding, service_points=exploding)
            answers = [await someone.get(path) for path in (f"{location}/label", "/v1/service-points")]
            answers.append(await bff.http.get("/v1/brands/another/portal"))
            assert [told(each) for each in answers] == [(502, "bad-upstream")] * 3
            assert most_resident(bff.process.pid) - before < ALLOWED_RISE
