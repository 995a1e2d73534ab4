"""What the shop promises: the one table that rules, alerts, the dashboard and the console's data come from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from instrumentation import semconv
from instrumentation.encode.prometheus_name import label_name
from mixin import names
from mixin.metric import Metric
from mixin.promql import equal, present, rate, share, total

PERIOD_DAYS = 30
"""What the error budget is counted over. Prometheus must keep that much."""

AVAILABILITY = 0.999
"""Share of events without error, wherever that is promised."""
IN_TIME = 0.99
"""Share of events within a time, wherever that is promised."""


@dataclass(frozen=True, slots=True)
class Slo:
    """A promise: a share of events is good. Good means without `error.type`, or faster than a time if one is given.

    Attributes:
        name: Unique; the label `slo` of all its series.
        title: For people.
        service: Who promises.
        metric: The histogram that counts the events.
        objective: Share of good events promised, such as 0.999.
        attributes: Which events, as OpenTelemetry attributes.
        within_seconds: A bucket boundary of the histogram; None for availability.
    """

    name: str
    title: str
    service: str
    metric: Metric
    objective: float
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])
    within_seconds: float | None = None

    @property
    def matchers(self) -> tuple[str, ...]:
        """The events as PromQL matchers."""
        chosen = {semconv.SERVICE_NAME: self.service, **self.attributes}
        return tuple(equal(label_name(key), value) for key, value in chosen.items())

    def error_ratio(self, window: str) -> str:
        """Share of bad events over a window; no series where there were no events."""
        events = total(rate(self.metric.count, *self.matchers, window=window))
        if self.within_seconds is None:
            return share(total(rate(self.metric.count, *self.matchers, present(names.ERROR), window=window)), events)
        fast = equal("le", f"{self.within_seconds:g}")
        return f"1 - {total(rate(self.metric.bucket, *self.matchers, fast, window=window))} / ({events} > 0)"


def _pair(
    name: str, title: str, service: str, metric: Metric, attributes: Mapping[str, str], within_seconds: float
) -> tuple[Slo, Slo]:
    return (
        Slo(f"{name}-availability", f"{title}: without error", service, metric, AVAILABILITY, attributes),
        Slo(
            f"{name}-latency",
            f"{title}: within {within_seconds:g} s",
            service,
            metric,
            IN_TIME,
            attributes,
            within_seconds,
        ),
    )


def _route(name: str, title: str, method: str, route: str, within_seconds: float) -> tuple[Slo, Slo]:
    attributes = {semconv.HTTP_REQUEST_METHOD: method, semconv.HTTP_ROUTE: route}
    return _pair(name, title, "gateway", names.HTTP_SERVER, attributes, within_seconds)


def _calls(service: str, within_seconds: float) -> tuple[Slo, Slo]:
    return _pair(f"{service}-calls", f"gRPC calls to {service}", service, names.RPC_SERVER, {}, within_seconds)


def _events(service: str, within_seconds: float) -> tuple[Slo, Slo]:
    return _pair(f"{service}-events", f"Events that {service} processes", service, names.PROCESS, {}, within_seconds)


SLOS: tuple[Slo, ...] = (
    *_route("place-order", "Placing an order", "POST", "/orders", 0.5),
    *_route("read-order", "Reading an order", "GET", "/orders/{order_id}", 0.25),
    *_route("list-products", "Listing the products", "GET", "/products", 0.25),
    *_calls("orders", 0.25),
    *_calls("inventory", 0.25),
    *_events("orders", 2.5),
    *_events("inventory", 2.5),
    *_events("payments", 2.5),
    *_events("notifications", 2.5),
)


def as_data() -> dict[str, object]:
    """Return the table as plain data, with OpenTelemetry names, for who computes SLOs elsewhere."""
    return {
        "period_days": PERIOD_DAYS,
        "slos": [
            {
                "name": slo.name,
                "title": slo.title,
                "service": slo.service,
                "objective": slo.objective,
                "metric": slo.metric.otel,
                "attributes": dict(slo.attributes),
                "within_seconds": slo.within_seconds,
                "bad_attribute": semconv.ERROR_TYPE if slo.within_seconds is None else None,
            }
            for slo in SLOS
        ],
    }
