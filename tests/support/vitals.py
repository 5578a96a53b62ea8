"""What a replica holds at a moment: its gauges, its memory, its file descriptors by whom they lead to."""

import re
from collections import Counter
from contextlib import suppress
from pathlib import Path

import httpx

GAUGES = (
    "bff_tasks",
    "bff_store_connections_in_use",
    "bff_upstream_running",
    "bff_waiting",
    "bff_watches",
    "bff_in_flight",
)
_LINE = re.compile(r"^(\w+)(?:\{.*\})? (\S+)$", re.MULTILINE)


async def gauges(http: httpx.AsyncClient) -> dict[str, float]:
    """Each of `GAUGES`, summed over its labels."""
    found = dict.fromkeys(GAUGES, 0.0)
    for name, value in _LINE.findall((await http.get("/metrics")).text):
        if name in found:
            found[name] += float(value)
    return found


def resident(pid: int) -> float:
    """Resident memory in MiB."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


def descriptors(pid: int, own_port: int, store_port: int) -> Counter[str]:
    """Open file descriptors: to `callers`, to the `store`, to the `upstream`, and `other` ones."""
    kinds = {inode: _kind(*ports, own_port, store_port) for inode, ports in _sockets().items()}
    found: Counter[str] = Counter()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found[kinds.get(str(entry.readlink()).removeprefix("socket:["), "other")] += 1
    return found


def _kind(local: int, remote: int, own: int, store: int) -> str:
    if local == own:
        return "callers" if remote else "other"
    return "store" if remote == store else "upstream"


def _sockets() -> dict[str, tuple[int, int]]:
    """Local and remote port of every IPv4 socket by the end of its name in /proc."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {f"{line[9]}]": (int(line[1][-4:], 16), int(line[2][-4:], 16)) for line in lines}
