"""`python -m app.release` shows an operator which returns hold a parcel's units, and records what became of them."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial

from app.errors import BffError
from app.http.load_shedding import Load
from app.main import running_services, sendcloud
from app.redis.marker import Markers
from app.redis.store import Store
from app.returns.claims import Claim
from app.returns.findings import Finding, Report, record_finding
from app.returns.store.index import Index
from app.returns.store.records import RETURN_ID
from app.returns.store.returns import Returns
from app.services import Services
from app.sessions.lookup import Lookups, parcel_key_of
from app.settings import SettingsError, load_settings
from app.shops import Shops
from app.telemetry.log_output import configure_logging


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command; its exit status is 1 if nothing was found or nothing could be recorded."""
    wanted = _parsed(arguments)
    configure_logging()
    try:
        asyncio.run(_run(wanted))
    except (SettingsError, LookupError) as error:
        sys.exit(f"release: {error}")
    except BffError as error:
        sys.exit(f"release: {type(error).__name__}: {error}")


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m app.release", description=__doc__)
    parser.add_argument("return_id", nargs="?", help="rtn_…, from the log, the Location or the shopper")
    parser.add_argument("--brand", help="instead of an id, with --order and --postal-code: all returns of the parcel")
    parser.add_argument("--order", help="order or tracking number")
    parser.add_argument("--postal-code")
    parser.add_argument("--as", dest="finding", type=Finding, choices=list(Finding), help="what became of the return")
    parser.add_argument("--panel-checked", action="store_true", help="the panel shows no such return (never-made)")
    parser.add_argument("--yes", action="store_true", help="record it; without it, the command only shows")
    wanted = parser.parse_args(arguments)
    _check(parser, wanted)
    return wanted


def _check(parser: argparse.ArgumentParser, wanted: argparse.Namespace) -> None:
    if not wanted.return_id and not all((wanted.brand, wanted.order, wanted.postal_code)):
        parser.error("name a return id, or --brand, --order and --postal-code")
    # What is not UTF-8 comes as half a surrogate pair, which no request can hold.
    if not f"{wanted.brand}{wanted.order}{wanted.postal_code}".isprintable():
        parser.error("--brand, --order and --postal-code are printable text in UTF-8")
    if wanted.finding and not wanted.return_id:
        parser.error("--as needs the id of one return")
    if wanted.finding is Finding.NEVER_MADE and not wanted.panel_checked:
        parser.error("--as never-made needs --panel-checked: look into the merchant's panel first")


async def _run(wanted: argparse.Namespace) -> None:
    settings = load_settings()
    shops = Shops(settings)
    async with AsyncExitStack() as closing:
        load = Load(settings.requests_at_once, settings.loop_lag)
        services = await closing.enter_async_context(running_services(settings, shops, load, partial(sendcloud, shops)))
        if not services.of(Markers).names_as_others:
            raise LookupError("BFF_NAMING_KEY is not that of the store: its parcels have other names")
        parcel_key = await _parcel_key(services, wanted)
        returns = services.of(Lookups).returns
        if wanted.finding and wanted.yes:
            await record_finding(returns, parcel_key, wanted.return_id, Report(wanted.finding, "operator"))
        await _show(returns, parcel_key, wanted.return_id)


async def _parcel_key(services: Services, wanted: argparse.Namespace) -> str:
    """The key of the parcel that the arguments name."""
    if not wanted.return_id:
        opened = await services.of(Lookups).sendcloud.open_order(wanted.brand, wanted.order, wanted.postal_code)
        return parcel_key_of(services.of(Lookups).keyring, wanted.brand, opened.order, wanted.order)
    return await _parcel_key_of_return(services.of(Store), services.of(Index), wanted.return_id)


async def _parcel_key_of_return(store: Store, index: Index, return_id: str) -> str:
    """The key of the parcel of this return, from before the index too: that takes a look at every key of the store."""
    if not RETURN_ID.fullmatch(return_id):
        raise LookupError("a return id looks like rtn_ and 22 more characters")
    if indexed := await index.parcel_of(return_id):
        return indexed
    async for name in store.names(f"p:{{*}}:r:{return_id}"):
        return name.partition("{")[2].partition("}")[0]
    raise LookupError("no parcel has such a return")


async def _show(returns: Returns, parcel_key: str, return_id: str | None) -> None:
    now, claims = await returns.claims(parcel_key)
    wanted = {name: claim for name, claim in claims.items() if return_id in {None, name}}
    if not wanted:
        raise LookupError("no return holds units, or held any within BFF_CLAIM_TTL")
    findings = await returns.findings(parcel_key, wanted)
    for name, claim in sorted(wanted.items(), key=lambda each: each[1].lease_until):
        sys.stdout.write(_line(name, claim, findings.get(name), now) + "\n")


def _line(return_id: str, claim: Claim, finding: str | None, now: float) -> str:
    lease = datetime.fromtimestamp(claim.lease_until, UTC).isoformat(" ", "seconds")
    minutes = int(now - claim.lease_until) // 60
    over = f" ({minutes} minutes ago)" if minutes >= 0 else ""
    told = f", recorded as {finding}" if finding else ""
    return f"{return_id}  {claim.phase}{told}, lease until {lease}{over}"


if __name__ == "__main__":
    main()
