"""The scrape exit: the store and the user's own prometheus_client metrics on one page, each name once."""

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from hmac import compare_digest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6
from time import monotonic, sleep
from typing import cast

from prometheus_client import REGISTRY, CollectorRegistry, Metric, exposition
from prometheus_client.openmetrics import exposition as openmetrics_exposition
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar as ClientExemplar
from typing_extensions import override

from instrumentation.encode import openmetrics
from instrumentation.encode.family import Exemplar, Family
from instrumentation.export.foreign import family_of, sanitised
from instrumentation.signals.metric import MetricStore, Warn, to_stderr

Page = Callable[[str], tuple[bytes, str]]
"""Takes an `Accept` header, returns body and content type."""

MAX_ACCEPT_CHARACTERS = 4096
"""Read of an `Accept` header; scrapers send some 200."""
OF_ONE_PROCESS = frozenset(("service.instance.id", "process.pid"))
"""Attributes of the resource that differ between the workers of a server."""

_HOLD_SECONDS, _REST_SECONDS = 0.001, 0.00005

_rendering = threading.local()
_client_openmetrics = cast("Callable[[object], bytes]", openmetrics_exposition.generate_latest)  # untyped there


class _Breather:
    """Gives the interpreter to other threads once a millisecond, for a moment.

    A thread that has it is asked to let go after 5 ms only, each time anew: a page of 2000 histograms kept each request
    waiting for that long at every turn.
    """

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next = monotonic() + _HOLD_SECONDS

    def pause(self) -> None:
        """Sleep for a moment if it is time."""
        if monotonic() > self._next:
            sleep(_REST_SECONDS)
            self._next = monotonic() + _HOLD_SECONDS


class _Registries:
    """Keeps the process from forking while we read a prometheus_client registry, whose locks no child could open.

    A fork waits half a second at most; a child of a longer reading must leave the registry alone.

    Attributes:
        lock: Held while a registry is read; reentrant, because a collector of the user's may fork.
        usable: Whether registries can be read in this process.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.usable = True
        self._is_held = False
        os.register_at_fork(before=self._before, after_in_parent=self._in_parent, after_in_child=self._in_child)

    def _before(self) -> None:
        self._is_held = self.lock.acquire(timeout=0.5)

    def _in_parent(self) -> None:
        if self._is_held:
            self.lock.release()

    def _in_child(self) -> None:
        self.usable = self.usable and self._is_held
        self.lock = threading.RLock()


_registries = _Registries()


class StoreCollector(Collector):
    """Shows the store's metrics to whoever exposes a prometheus_client registry; silent while we render."""

    def __init__(self, store: MetricStore) -> None:
        self._store = store

    def describe(self) -> list[Metric]:
        """Claim no names: they come and go with the instruments."""
        return []

    @override
    def collect(self) -> Iterator[Metric]:
        if not getattr(_rendering, "active", False):
            yield from map(_client_metric, openmetrics.translate(self._store.snapshot()))


def register(store: MetricStore, registry: CollectorRegistry = REGISTRY) -> Callable[[], None]:
    """Put the store into a registry; the returned function takes it out again."""
    collector = StoreCollector(store)
    registry.register(collector)

    def undo() -> None:
        try:
            registry.unregister(collector)
        except KeyError:
            return  # taken out already

    return undo


def render(
    store: MetricStore,
    resource_attributes: Mapping[str, object],
    accept: str,
    registry: CollectorRegistry | None = REGISTRY,
) -> tuple[bytes, str]:
    """Write the page.

    Args:
        store: The kit's metrics.
        resource_attributes: Become `target_info`.
        accept: The request's `Accept` header; OpenMetrics is sent only to who accepts it.
        registry: Where the user's own metrics are; None if they are not wanted.

    Returns:
        Body and content type.
    """
    wants_openmetrics = _accepts_openmetrics(accept)
    families = openmetrics.translate(store.snapshot())
    ours = openmetrics.encode(families, resource_attributes, openmetrics=wants_openmetrics, pause=_Breather().pause)
    theirs = b"".join(
        [_client_text(metric, wants_openmetrics, store.warn) for metric in _foreign(families, registry, store.warn)]
    )
    if wants_openmetrics:
        return ours.encode() + theirs + openmetrics.END.encode(), openmetrics.OPENMETRICS_TYPE
    return ours.encode() + theirs, openmetrics.TEXT_TYPE


def render_combined(
    families: Sequence[Family], resource_attributes: Mapping[str, object], accept: str
) -> tuple[bytes, str]:
    """Write the page of several workers; `target_info` says what they share."""
    wants_openmetrics = _accepts_openmetrics(accept)
    shared = {name: value for name, value in resource_attributes.items() if name not in OF_ONE_PROCESS}
    shown, pause = openmetrics.translate(families), _Breather().pause
    text = openmetrics.encode(shown, shared, openmetrics=wants_openmetrics, pause=pause)
    if wants_openmetrics:
        return (text + openmetrics.END).encode(), openmetrics.OPENMETRICS_TYPE
    return text.encode(), openmetrics.TEXT_TYPE


def _accepts_openmetrics(accept: str) -> bool:
    for media_range in accept[:MAX_ACCEPT_CHARACTERS].lower().split(","):
        media_type, *parameters = [part.strip() for part in media_range.split(";")]
        if media_type == "application/openmetrics-text":
            return not any(parameter in ("q=0", "q=0.0", "q=0.00", "q=0.000") for parameter in parameters)
    return False


def foreign_families(store: MetricStore, registry: CollectorRegistry | None = REGISTRY) -> list[Family]:
    """Return the user's prometheus_client metrics, so that they are pushed too; none whose name the store has."""
    families = openmetrics.translate(store.snapshot()) if registry else []
    return [family for metric in _foreign(families, registry, store.warn) for family in family_of(metric)]


def _foreign(ours: list[openmetrics.PrometheusFamily], registry: CollectorRegistry | None, warn: Warn) -> list[Metric]:
    taken = {family.name for family in ours} | {"target"}
    found: list[Metric] = []
    if not _registries.usable:
        warn("prometheus_client's registry was in use when this process was forked: its metrics are left out")
        return found
    _rendering.active = True
    try:
        _registries.lock.acquire()
        for metric in registry.collect() if registry else ():
            if metric.name not in taken:
                taken.add(metric.name)
                found.append(sanitised(metric))
    except Exception as error:  # a collector of the user's: what came before it is still shown
        warn(f"a prometheus_client collector failed: {error!r}")
    finally:
        _registries.lock.release()
        _rendering.active = False
    return found


class _One:
    """A registry of one metric: alone, so that one that cannot be written costs no other."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> list[Metric]:
        return [self._metric]


def _client_text(metric: Metric, wants_openmetrics: bool, warn: Warn) -> bytes:
    try:
        if wants_openmetrics:
            return _client_openmetrics(_One(metric)).removesuffix(openmetrics.END.encode())
        return exposition.generate_latest(_One(metric))  # pyright: ignore[reportArgumentType]  # needs collect() only
    except Exception as error:
        warn(f"prometheus_client metric {metric.name!r} cannot be written: {error!r}")
        return b""


def _client_metric(family: openmetrics.PrometheusFamily) -> Metric:
    metric = Metric(family.name, family.help, family.type, family.unit)
    for sample in family.samples:
        exemplar = _client_exemplar(sample.exemplar) if sample.exemplar else None
        metric.add_sample(family.name + sample.suffix, dict(sample.labels), sample.value, exemplar=exemplar)
    return metric


def _client_exemplar(exemplar: Exemplar) -> ClientExemplar:
    value, time_unix_ns, trace_id, span_id = exemplar
    return ClientExemplar({"trace_id": trace_id.hex(), "span_id": span_id.hex()}, value, time_unix_ns / 1e9)


def admits(token: str | None, authorization: str) -> bool:
    """Tell whether who sent this `Authorization` header may read the page; without a token everybody may."""
    if not token:
        return True
    scheme, _, given = authorization.partition(" ")
    return scheme.lower() == "bearer" and compare_digest(given.strip().encode("utf-8", "replace"), token.encode())


class ScrapeServer:
    """A port of its own for `/metrics`, served by daemon threads."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self._server = server
        self._pid = os.getpid()
        self.port = int(server.server_address[1])
        self._thread = threading.Thread(target=server.serve_forever, name="clew-scrape", daemon=True)
        self._thread.start()

    def forget_parent(self) -> None:
        """Close a forked child's copy of the port, at which nobody would answer."""
        self._server.socket.close()

    def shutdown(self) -> None:
        """Close the port."""
        if os.getpid() != self._pid:
            return
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def serve(host: str, port: int, page: Page, warn: Warn = to_stderr, token: str | None = None) -> ScrapeServer | None:
    """Serve the page at `/metrics` of a port to who has the token; if the port cannot be had, say so, return None."""
    server_type = type("_Server", (ThreadingHTTPServer,), {"address_family": AF_INET6 if ":" in host else AF_INET})
    try:
        return ScrapeServer(server_type((host, port), _handler(page, token)))
    except (OSError, OverflowError) as error:
        warn(f"cannot serve /metrics on {host}:{port} ({error}); set OTEL_EXPORTER_PROMETHEUS_PORT to a free one")
        return None


def _handler(page: Page, token: str | None) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10  # seconds; a scraper that sends nothing must not keep its thread

        def do_GET(self) -> None:
            if self.path.partition("?")[0] not in ("/metrics", "/"):
                self.send_error(404)
                return
            if not admits(token, self.headers.get("Authorization", "")):
                self.send_response(401)
                self.send_header("WWW-Authenticate", "Bearer")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            body, content_type = page(self.headers.get("Accept", ""))
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Stay silent: a scrape is no event."""

    return Handler
