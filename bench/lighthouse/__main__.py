"""`make lighthouse`: Lighthouse on the first step of the reference page, phone and desktop; needs npm and Chromium.

Prints a table and fails where a score is below 95.
"""

import asyncio
import json
import os
import sys
from asyncio import subprocess
from pathlib import Path

from tests.support.page import CHROMIUM
from tests.support.processes import running_bff, running_valkey
from tests.support.sandbox import running_sandbox

LIGHTHOUSE = Path(__file__).parent / "node_modules/.bin/lighthouse"
CATEGORIES = ("performance", "accessibility", "best-practices")
DEVICES = {"phone": "--form-factor=mobile", "desktop": "--preset=desktop"}
LEAST = 95


async def scores(url: str, device: str) -> list[int]:
    """Of 100, one for each category."""
    process = await asyncio.create_subprocess_exec(
        *(LIGHTHOUSE, url, DEVICES[device], "--quiet", "--output=json", f"--only-categories={','.join(CATEGORIES)}"),
        "--chrome-flags=--headless=new --no-sandbox --disable-gpu",
        env={**os.environ, "CHROME_PATH": CHROMIUM},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    printed, _ = await process.communicate()
    found = json.loads(printed)["categories"]
    return [round(100 * found[name]["score"]) for name in CATEGORIES]


async def main() -> bool:
    """Whether all scores are high enough."""
    lowest = 100
    print(f"| device | {' | '.join(CATEGORIES)} |\n|---|{'---|' * len(CATEGORIES)}")  # noqa: T201 - a command's output
    async with (
        running_valkey() as store,
        running_sandbox() as upstream,
        running_bff(store.url, upstream, module="app.sandbox.shop", as_shipped=True) as shop,
    ):
        for device in DEVICES:
            row = await scores(f"http://localhost:{shop.port}/page/", device)
            lowest = min(lowest, *row)
            print(f"| {device} | {' | '.join(map(str, row))} |")  # noqa: T201 - a command's output
    return lowest >= LEAST


sys.exit(not asyncio.run(main()))
