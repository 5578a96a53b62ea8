"""The composition root of the service."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import certifi
from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from app import __version__
from app.background import meanwhile
from app.documents import routes as documents
from app.documents.delivery import Documents
from app.documents.opening import ReturnDocuments
from app.events import routes as events
from app.events.delivery import Delivery, ToldReturns
from app.events.endpoint import Poster
from app.events.outbox import Outbox
from app.http import operations
from app.http.answers.openapi import ABOUT, JOURNEY, TAGS, Described
from app.http.answers.problems import handle_errors, problem_response
from app.http.answers.recent_answers import RecentAnswers
from app.http.callers.cors import Cors
from app.http.hot_route import HotRoute
from app.http.load_shedding import Load
from app.http.middleware import Admission, Exchanges, HotRoutes
from app.portal import routes as portal
from app.portal.cache import PortalCache
from app.redis.connections.discovery import topology
from app.redis.encryption import Keyring
from app.redis.limits.budget import Budget
from app.redis.limits.failed_lookups import OrderLimit
from app.redis.limits.rate_limits import CallerLimit, ParcelLimit, PerParcelLimit
from app.redis.marker import Markers
from app.redis.shared_cache import FleetCache
from app.redis.store import Store
from app.returns import routes as returns
from app.returns.checks.drop_off import DropOff
from app.returns.create import Creation
from app.returns.creation_outage import CreationOutages
from app.returns.labels.evidence import Evidence
from app.returns.labels.polling import Polling, Schedule
from app.returns.labels.watching import Labels
from app.returns.store.attempts import Attempts
from app.returns.store.returns import ParcelLayout
from app.returns.view import ReturnBodies
from app.sendcloud.client import Addresses, Egress, connect
from app.sendcloud.earlier_records import service_point_of_schema_1
from app.sendcloud.policy.bulkheads import Deadlines, slots_for
from app.sendcloud.policy.call_policy import CallPolicy, guards
from app.sendcloud.protocol import Call
from app.service_points import routes as service_points
from app.service_points.search import ServicePoints
from app.service_points.view import ServicePointViews
from app.services import Services
from app.sessions import handoff_routes as handoffs
from app.sessions import routes as sessions
from app.sessions.dependencies import calling_shop, end_session, ending_session_id, live_session, required_session_id
from app.sessions.lookup import Lookups
from app.sessions.store import SessionStore
from app.settings import Settings, SettingsError
from app.shop_calls import routes as shop_calls
from app.shop_calls.calls import ShopCalls
from app.shops import Shops
from app.telemetry.metrics import (
    BREAKER,
    BUILD,
    IN_FLIGHT,
    LAG,
    OPEN_BRANDS,
    RUNNING,
    STORE_CONNECTIONS,
    TASKS,
    WAITING,
    WATCHES,
    GaugeValues,
    shown,
)
from app.telemetry.request_cost import UpstreamCalls
from app.uploads import routes as uploads
from app.uploads.multipart import MAX_BYTES
from app.upstream import Upstream
from app.upstream_events import routes as upstream_events
from app.upstream_events.events import UpstreamEvents

if TYPE_CHECKING:
    from app.telemetry.traces import Tracing

MARGIN_SECONDS = 2.0
"""Seconds past its deadline after which a call of another replica counts as dead."""
ROUTED = (
    portal,
    sessions,
    handoffs,
    service_points,
    returns,
    documents,
    uploads,
    shop_calls,
    events,
    upstream_events,
    operations,
)

ConnectUpstream = Callable[[Settings, Mapping[Call, CallPolicy]], Upstream]
"""Connects an upstream; each of its calls may be guarded by the policy of its kind."""


def create_app(settings: Settings, connect_upstream: ConnectUpstream | None = None) -> Described:
    """The service with these settings, on Sendcloud unless another upstream is given; it connects when it starts.

    A function, not a global, so that tests and the sandbox can make several.

    Raises:
        SettingsError: traces are wanted, and the packages for them are not installed; the shops file cannot be used.
    """
    shops = Shops(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running_services(settings, shops, load, connect_upstream or partial(sendcloud, shops)) as services:
            app.state.services = services
            yield
        if tracing:
            await tracing.aclose()

    tracing = _tracing(settings)
    app = api()
    if not settings.docs:
        _hide_description(app)
    load = Load(settings.requests_at_once, settings.loop_lag)
    app.router.lifespan_context = lifespan
    _surround(app, settings, shops, load, tracing)
    return app


def _surround(app: Described, settings: Settings, shops: Shops, load: Load, tracing: "Tracing | None") -> None:
    """Puts before the app what a request passes on its way to a handler, the innermost first."""
    render = problem_response(settings.public_url)
    hot = [route for route in app.routes if isinstance(route, HotRoute)]
    routed = HotRoutes(app.entrance, hot, handle_errors(app, render, end_session))
    admitted = Admission(routed, load, render, {uploads.PATH: MAX_BYTES})
    app.entrance = Exchanges(Cors(admitted, shops), load, tracing.begin if tracing else None)


def _tracing(settings: Settings) -> "Tracing | None":
    if not settings.traces_url:
        return None
    try:
        from app.telemetry.traces import Tracing  # noqa: PLC0415  takes half a second, and its packages are optional
    except ModuleNotFoundError:
        raise SettingsError("BFF_TRACES_URL: needs the packages of locks/otel.txt") from None
    return Tracing(settings.traces_url)


def _hide_description(app: FastAPI) -> None:
    hidden = (operations.DESCRIPTION, operations.DOCS)
    app.router.routes[:] = [each for each in app.router.routes if not getattr(each, "path", "").startswith(hidden)]


def api() -> Described:
    """The routes and their description; needs no settings, no Redis and no network."""
    app = Described(
        title="Return Portal BFF",
        version="1",
        summary="Returns for shops' own front ends.",
        description=ABOUT,
        contact={"name": "Return Portal BFF"},
        license_info={"name": "MIT", "identifier": "MIT"},
        servers=[{"url": "/", "description": "Where this description is served."}],
        openapi_tags=[{"name": name, "description": text} for name, text in TAGS.items()],
        # With whatever providers are installed, spans would record paths and query strings.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        # FastAPI's page loads scripts from a CDN; ours is in http/operations.py.
        docs_url=None,
        redoc_url=None,
        # A redirect would lead to the host that the request names.
        redirect_slashes=False,
    )
    app.journey = JOURNEY
    app.session_dependencies = {live_session, required_session_id, ending_session_id}
    app.shop_dependencies = {calling_shop}
    hot = (sessions.hot, returns.hot, service_points.hot, portal.hot, documents.hot)
    # The most frequent routes first, because paths are compared in order; and without routers around them, which
    # would be asked in every request.
    for router in (*hot, *(module.router for module in ROUTED)):
        app.router.routes.extend(router.routes)
    app.mount(operations.DOCS_FILES, StaticFiles(packages=[("fastapi_swagger", "resources")]))
    return app


class Parts(NamedTuple):
    """The objects that have something to close, in the order in which they are opened."""

    store: Store
    sendcloud: Upstream
    outbox: Outbox
    delivery: Delivery
    attempts: Attempts
    documents: Documents
    labels: Labels
    cache: FleetCache


@asynccontextmanager
async def running_services(
    settings: Settings, shops: Shops, load: Load, connect_upstream: ConnectUpstream
) -> AsyncIterator[Services]:
    """The objects that handlers work with; they are closed in an order in which nothing gets lost."""
    keyring = Keyring.of(settings)
    store = Store(topology(settings.redis_url.get_secret_value()))
    budget = Budget(
        store, reads=settings.upstream_reads, writes=settings.upstream_writes, burst=settings.upstream_burst
    )
    guarded = guards(_deadlines(settings), budget, UpstreamCalls(), slots_for(settings.upstream_reads))
    parts = _parts(settings, shops, store, keyring, connect_upstream(settings, guarded))
    async with AsyncExitStack() as closing:
        for part in parts:
            closing.push_async_callback(part.aclose)
        await closing.enter_async_context(meanwhile(parts.labels.listen))
        await closing.enter_async_context(meanwhile(parts.delivery.run))
        await closing.enter_async_context(meanwhile(load.watch))
        await closing.enter_async_context(meanwhile(shops.watch))
        BUILD.info({"version": __version__})
        closing.enter_context(shown(_gauges(parts.labels, store, load, guarded.values())))
        points_ahead = partial(budget.ask_ahead, guarded[Call.SERVICE_POINT].bulkhead.name, "GET")
        services = _services(settings, shops, load, keyring, parts, points_ahead)
        # Before the first request: readiness has to know whether the store knows our names.
        await services.of(Markers).look()
        await closing.enter_async_context(meanwhile(services.of(Markers).watch))
        yield services


def sendcloud(shops: Shops, settings: Settings, guarded: Mapping[Call, CallPolicy]) -> Upstream:
    """Sendcloud's APIs at the addresses that each shop has."""

    def addresses(brand: str) -> Addresses:
        shop = shops.of(brand)
        return Addresses(shop.upstream_url, shop.service_points_url, shop.upstream_public_url)

    return connect(
        settings.upstream_url,
        settings.service_points_url,
        guarded,
        addresses=addresses,
        egress=Egress(settings.upstream_ca, settings.upstream_proxy),
        partner_id=settings.upstream_partner_id,
        token_in_header=settings.service_points_token_in_header,
    )


def _parts(settings: Settings, shops: Shops, store: Store, keyring: Keyring, sendcloud: Upstream) -> Parts:
    outbox = Outbox(store, keyring, shops)
    poster = Poster(ssl.create_default_context(cafile=certifi.where()))
    layout = ParcelLayout(
        keyring, settings.return_ttl, settings.claim_ttl, settings.create_lease, service_point_of_schema_1
    )
    attempts = Attempts(store, layout, outbox.commit)
    kept = attempts.returns
    idle_timeout = settings.poll_deadline + MARGIN_SECONDS
    schedule = Schedule(settings.poll_interval, idle_timeout, settings.label_budget, settings.return_ttl)
    evidence = Evidence(store, keyring, settings.return_ttl)
    labels = Labels(store, kept, Polling(store, kept, sendcloud, evidence, schedule))
    return Parts(
        store=store,
        sendcloud=sendcloud,
        outbox=outbox,
        delivery=Delivery(shops, outbox, keyring, poster, ToldReturns(kept.contact, labels.look_for_news)),
        attempts=attempts,
        documents=Documents(store, keyring, total_bytes=settings.kept_labels, idle_timeout=idle_timeout),
        labels=labels,
        cache=FleetCache(store, max_wait=settings.lookup_deadline + MARGIN_SECONDS),
    )


def _services(  # noqa: PLR0913, PLR0917  all that features are made of
    settings: Settings, shops: Shops, load: Load, keyring: Keyring, parts: Parts, points_ahead: Callable[[int], None]
) -> Services:
    store, sendcloud, outbox, _, attempts, documents, labels, cache = parts
    kept = attempts.returns
    portals = PortalCache(cache, store, sendcloud, settings.portal_freshness, shops.of)
    points, point_views = ServicePoints(cache, sendcloud, settings.points_freshness), ServicePointViews()
    sessions_kept, orders = SessionStore(store, settings.parcel_sessions), OrderLimit(store, keyring)
    parcels = ParcelLimit(store, settings.parcel_limit)
    callers = CallerLimit(store, keyring)
    lookups = Lookups(settings.session_ttl, store, keyring, sendcloud, portals, sessions_kept, kept, orders)
    markers = Markers(store, keyring.naming, 2 * settings.claim_ttl)
    outages = CreationOutages(store, sendcloud, 2 * settings.create_lease)
    watch, polling = labels.watch_in_background, labels.polling
    return_documents = ReturnDocuments(sendcloud, polling, documents, parcels)
    drop_off = DropOff(sendcloud, points, parcels)
    creation = Creation(
        sendcloud, portals, drop_off.fetch, kept, attempts, polling, watch, parcels, markers, outages, shops.of
    )
    return Services(
        settings,
        shops,
        load,
        store,
        markers,
        keyring,
        sessions_kept,
        portals,
        RecentAnswers(),
        service_points.ServicePointServices(sendcloud, points, point_views, parcels, points_ahead),
        ReturnBodies(point_views),
        labels,
        attempts.index,
        lookups,
        creation,
        return_documents,
        uploads.UploadServices(sendcloud, parcels),
        ShopCalls(attempts.index, kept, polling.evidence, return_documents.erase),
        UpstreamEvents(attempts.index, kept, sendcloud, store, keyring),
        outbox.queue,
        callers,
        PerParcelLimit(settings.parcel_waits),
    )


def _gauges(labels: Labels, store: Store, load: Load, guarded: Iterable[CallPolicy]) -> GaugeValues:
    loop = asyncio.get_running_loop()
    gauges: GaugeValues = {
        IN_FLIGHT: lambda: load.in_flight,
        LAG: lambda: load.lag,
        WATCHES: lambda: labels.watched,
        WAITING: lambda: labels.waiting,
        STORE_CONNECTIONS: lambda: store.connections_in_use,
        TASKS: lambda: len(asyncio.all_tasks(loop)),
    }
    for guard in guarded:
        gauges |= _guard_gauges(guard)
    return gauges


def _guard_gauges(guard: CallPolicy) -> GaugeValues:
    return {
        BREAKER.labels(guard.bulkhead.name): lambda: guard.state,
        OPEN_BRANDS.labels(guard.bulkhead.name): lambda: guard.open_brands,
        RUNNING.labels(guard.bulkhead.name): lambda: guard.bulkhead.running,
    }


def _deadlines(settings: Settings) -> Deadlines:
    return Deadlines(
        lookup=settings.lookup_deadline,
        create=settings.create_deadline,
        poll=settings.poll_deadline,
        service_points=settings.service_points_deadline,
        label_gap=settings.poll_deadline,
        label_total=settings.label_deadline,
    )
