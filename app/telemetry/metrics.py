"""Metrics that hold no personal data and no token: route templates, codes, durations."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, generate_latest

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
BUILD = Info("bff_build", "The version that runs.", registry=REGISTRY)
REQUESTS = Counter("bff_requests", "Requests answered.", ["route", "method", "status"], registry=REGISTRY)
LATENCY = Histogram("bff_request_seconds", "Time to the end of the answer.", ["route", "method"], registry=REGISTRY)
SHARED_PARCELS = Counter(
    "bff_parcels_of_two_brands", "Lookups of a parcel that another brand named within a day.", registry=REGISTRY
)
PROBLEMS = Counter("bff_problems", "Problem documents answered.", ["code"], registry=REGISTRY)
JOURNEY_STEPS = Counter("bff_journey_steps", "Steps of journeys, by brand.", ["brand", "step"], registry=REGISTRY)
LABELS_SETTLED = Histogram(
    "bff_label_seconds",
    "From the creation of a return to its label, or to the failure of its announcement.",
    ["outcome"],
    buckets=(5, 15, 30, 60, 120, 300, 900, 1800, 3600, 4 * 3600, 24 * 3600),
    registry=REGISTRY,
)
LOOKUPS_REFUSED = Counter("bff_lookups_refused", "Lookups refused by a limit.", ["limit"], registry=REGISTRY)
WATCHES = Gauge("bff_watches", "Returns watched by this replica.", registry=REGISTRY)
WAITING = Gauge("bff_waiting", "Requests that wait for a return to change.", registry=REGISTRY)
STORE_CALLS = Histogram(
    "bff_store_seconds",
    "Calls of Redis, with all it takes to make durable writes durable.",
    ["outcome"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
    registry=REGISTRY,
)
STORE_CONNECTIONS = Gauge("bff_store_connections_in_use", "Connections to Redis in use.", registry=REGISTRY)
TASKS = Gauge("bff_tasks", "Tasks on the event loop.", registry=REGISTRY)
BREAKER = Gauge("bff_upstream_breaker", "0 closed, 1 one call may try, 2 open.", ["lane"], registry=REGISTRY)
OPEN_BRANDS = Gauge("bff_upstream_brands_refused", "Brands whose breaker is not closed.", ["lane"], registry=REGISTRY)
RUNNING = Gauge("bff_upstream_running", "Upstream calls under way, waiting ones included.", ["lane"], registry=REGISTRY)
CALLS = Histogram(
    "bff_upstream_seconds",
    "Tries of upstream calls, up to the whole answer or to the head of a document.",
    ["lane", "outcome"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60),
    registry=REGISTRY,
)
MEMBERS_DROPPED = Counter(
    "bff_upstream_members_dropped",
    "Members and list elements of upstream answers that could not be read.",
    ["member"],
    registry=REGISTRY,
)
RETRIES = Counter("bff_upstream_retries", "Upstream calls that got a second try.", ["lane"], registry=REGISTRY)
TURNS = Histogram(
    "bff_upstream_turn_seconds",
    "Waits for a turn in the fleet's upstream budget.",
    ["method", "outcome"],
    buckets=(0.01, 0.1, 0.5, 1, 2),
    registry=REGISTRY,
)
LOG_LINES_DROPPED = Counter("bff_log_lines_dropped", "Log lines that could not be written.", registry=REGISTRY)
IN_FLIGHT = Gauge("bff_in_flight", "Requests worked on, without those that only wait.", registry=REGISTRY)
LAG = Gauge("bff_loop_lag_seconds", "How late the event loop was at its worst in ten seconds.", registry=REGISTRY)
STALLED = Counter(
    "bff_loop_stalled_seconds", "Seconds for which the event loop was later than it may be.", registry=REGISTRY
)
FORWARDED_UNTRUSTED = Counter(
    "bff_forwarded_untrusted", "Lookups whose forwarding header is of no trusted proxy.", registry=REGISTRY
)
SHED = Counter("bff_shed", "Requests turned away at once.", ["reason"], registry=REGISTRY)
KEPT_BYTES = Counter("bff_documents_kept_bytes", "Bytes of documents put into Redis for a day.", registry=REGISTRY)
FOREIGN_POLLERS = Counter(
    "bff_poller_urls_foreign", "Accepted returns whose poller URL is not of our upstream.", registry=REGISTRY
)
ANNOUNCEMENT_FAILURES = Counter(
    "bff_announcement_failures",
    "Polls answered 500: the first of a return, doubted or believed.",
    ["verdict"],
    registry=REGISTRY,
)
CONFLICTS = Counter(
    "bff_return_conflicts", "Returns that exist though their units were given back.", ["by"], registry=REGISTRY
)
MARKERS = Counter("bff_store_markers_wrong", "Looks that found a store not to be ours.", ["finding"], registry=REGISTRY)
SHOPS = Gauge("bff_shops", "Shops served.", registry=REGISTRY)
SHOPS_FILE_FAULTS = Gauge(
    "bff_shops_file_faults", "Faults of the shops file as it was read last; the one before stands.", registry=REGISTRY
)
OPENING_HOURS_DROPPED = Counter("bff_opening_hours_dropped", "Opening hours that could not be read.", registry=REGISTRY)
EVENTS = Counter("bff_events", "Tries to deliver events to shops.", ["brand", "outcome"], registry=REGISTRY)
EVENTS_ALERTED = ("given_up", "switched_off", "unreadable")
"""Outcomes that an alert counts."""
UPSTREAM_EVENTS = Counter(
    "bff_upstream_events", "Signed events of the upstream that were taken.", ["outcome"], registry=REGISTRY
)
EVENT_SECONDS = Histogram(
    "bff_event_seconds",
    "From the change of a return to the delivery of the event.",
    buckets=(0.5, 1, 2, 5, 30, 300, 3600, 8 * 3600, 72 * 3600),
    registry=REGISTRY,
)


def _begin(metric: Counter | Histogram, *series: tuple[str, ...]) -> None:
    """Shows these series at 0, because an alert on `increase` does not see the value that a series begins with."""
    for labels in series:
        metric.labels(*labels)


_begin(REQUESTS, ("/v1/returns", "POST", "504"))
_begin(PROBLEMS, ("session-expired",))
_begin(LABELS_SETTLED, ("ready",), ("failed",))
_begin(LOOKUPS_REFUSED, ("order",))
_begin(CALLS, *((lane, "busy") for lane in ("lookup", "document", "service_points", "upload", "create", "poll")))
_begin(TURNS, ("GET", "refused"), ("POST", "refused"))
_begin(SHED, ("bound",), ("asking",), ("lag",))
_begin(ANNOUNCEMENT_FAILURES, ("doubted",))
_begin(UPSTREAM_EVENTS, ("left_to_people",))
_begin(CONFLICTS, ("restored",), ("accepted",))
_begin(MARKERS, ("another_key",), ("doubted",))
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


GaugeValues = dict[Gauge, Callable[[], float]]
"""The function that gives the value of each gauge."""


@contextmanager
def shown(values: GaugeValues) -> Iterator[None]:
    """Lets gauges show these values within the context; afterwards they are 0, because the service is gone."""
    for gauge, value in values.items():
        gauge.set_function(value)
    try:
        yield
    finally:
        for gauge in values:
            gauge.set_function(lambda: 0.0)


def metrics() -> bytes:
    """All metrics in Prometheus' text format."""
    return generate_latest(REGISTRY)
