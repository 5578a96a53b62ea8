"""A real Prometheus with the alerts as shipped. Needs Debian's prometheus."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.support.processes import LOCAL, free_port, running

SHIPPED = Path("deploy/prometheus")
QUICKLY = {"scrape_interval": "1s", "evaluation_interval": "1s"}


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    _http: httpx.AsyncClient

    async def firing(self) -> set[tuple[str, str]]:
        """The alerts that fire, each with its instance; for alerts about the whole fleet that is empty."""
        alerts = (await self._asked("alerts"))["alerts"]
        return {
            (each["labels"]["alertname"], each["labels"].get("instance", ""))
            for each in alerts
            if each["state"] == "firing"
        }

    async def replicas(self) -> int:
        """From how many replicas it has collected metrics."""
        found = (await self._asked("query", query="count(bff_build_info)"))["result"]
        return int(found[0]["value"][1]) if found else 0

    async def _asked(self, what: str, **params: str) -> dict[str, Any]:
        data: dict[str, Any] = (await self._http.get(what, params=params)).raise_for_status().json()["data"]
        return data


@asynccontextmanager
async def running_prometheus(ports: Sequence[int]) -> AsyncIterator[Prometheus]:
    """One that has collected from each of these replicas, and does so every second."""
    port = free_port()
    url = f"http://{LOCAL}:{port}/api/v1/"
    with tempfile.TemporaryDirectory(prefix="bff-test-prometheus-") as folder:
        shutil.copytree(SHIPPED, folder, dirs_exist_ok=True)
        _configure(Path(folder, "prometheus.yaml"), ports)
        command = ["prometheus", f"--config.file={folder}/prometheus.yaml", f"--storage.tsdb.path={folder}/data"]
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            prometheus = Prometheus(http)

            async def has_collected() -> bool:
                try:
                    return await prometheus.replicas() == len(ports)
                except httpx.HTTPError:
                    return False

            async with running([*command, f"--web.listen-address={LOCAL}:{port}"], has_collected):
                yield prometheus


def _configure(file: Path, ports: Sequence[int]) -> None:
    configuration = yaml.safe_load(file.read_text())
    configuration["global"] |= QUICKLY
    configuration["scrape_configs"][0]["static_configs"] = [{"targets": [f"{LOCAL}:{port}" for port in ports]}]
    file.write_text(yaml.safe_dump(configuration))
