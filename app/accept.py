"""The command that accepts a store as it is: `python -m app.accept`."""

import argparse
import asyncio
import sys

from app.errors import StoreUnavailable
from app.redis.connections.discovery import topology
from app.redis.encryption import Keyring
from app.redis.marker import Marker, Markers
from app.redis.store import Store
from app.settings import Settings, SettingsError, load_settings


def main(arguments: list[str] | None = None) -> None:
    """Shows the marker of every server; with `--yes` it accepts all of them, and creations resume."""
    parser = argparse.ArgumentParser("python -m app.accept", description="Accept a store that lost its memory.")
    parser.add_argument("--yes", action="store_true", help="accept it: what is not in it counts as never made")
    wanted = parser.parse_args(arguments)
    try:
        asyncio.run(_accept(load_settings(), really=wanted.yes))
    except (SettingsError, StoreUnavailable) as error:
        sys.exit(f"return-portal-bff: {error}")


async def _accept(settings: Settings, *, really: bool) -> None:
    store = Store(topology(settings.redis_url.get_secret_value()))
    naming = Keyring.of(settings).naming
    markers = Markers(store, naming, 2 * settings.claim_ttl)
    try:
        if really:
            await markers.accept()
        for name, marker in (await markers.survey()).items():
            print(f"{name}: {_standing(marker, naming)}")  # noqa: T201  a command's output
    finally:
        await store.aclose()


def _standing(marker: Marker | None, naming: str) -> str:
    if marker is None:
        return "missing"
    if marker.naming != naming:
        return "of another naming key"
    return "doubted: creations are paused" if marker.doubted else "known"


if __name__ == "__main__":
    main()
