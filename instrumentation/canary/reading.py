"""Readings: what the console or Prometheus has counted of the calls to a service, by version."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from instrumentation import semconv
from instrumentation.backend import Backend, UnansweredError
from instrumentation.canary.sample import Series
from instrumentation.encode.prometheus_name import label_name, metric_name

LOOK_BACK_SECONDS = 300
"""A series whose last point is older is over, for the console as for Prometheus."""
MOST_POINTS = 10_000


@dataclass(frozen=True, slots=True)
class Metric:
    """A histogram of durations that tells versions apart.

    Attributes:
        name: Its OpenTelemetry name; in seconds.
        service: Attribute with the service's name.
        version: Attribute with its version.
    """

    name: str
    service: str
    version: str


BY_CALLER = Metric(semconv.TARGET_CALL_DURATION, semconv.TARGET_SERVICE, semconv.TARGET_VERSION)
METRICS = {
    metric.name: metric
    for metric in (
        BY_CALLER,
        Metric(semconv.HTTP_SERVER_REQUEST_DURATION, semconv.SERVICE_NAME, semconv.SERVICE_VERSION),
        Metric(semconv.RPC_SERVER_CALL_DURATION, semconv.SERVICE_NAME, semconv.SERVICE_VERSION),
        Metric(semconv.MESSAGING_PROCESS_DURATION, semconv.SERVICE_NAME, semconv.SERVICE_VERSION),
    )
}
"""What can be judged: calls as their caller sees them, or as the replicas tell of themselves."""


class Source(Protocol):
    """A backend that keeps metrics."""

    def series(self, metric: Metric, service: str) -> Sequence[Series]:
        """Return all series of a service as they are now.

        Raises:
            UnansweredError: It gave no answer that can be used.
        """
        ...


@dataclass(frozen=True, slots=True)
class Console:
    """Clew's console."""

    backend: Backend

    def series(self, metric: Metric, service: str) -> Sequence[Series]:
        """Return the newest point of each series."""
        since = int(time.time()) - LOOK_BACK_SECONDS
        answer = self.backend.json("/api/metrics/points", name=metric.name, start=since, limit=MOST_POINTS)
        newest = dict[tuple[tuple[str, str], ...], tuple[int, Series]]()
        for point in answer["points"]:
            # Of the resource the names are as Prometheus has them, of the point as they are.
            attributes = {**point["resource"], **{label_name(k): str(v) for k, v in point["attributes"].items()}}
            if attributes.get(label_name(metric.service)) != service or "bounds" not in (point["buckets"] or {}):
                continue
            key = tuple(sorted(attributes.items()))
            if key not in newest or newest[key][0] < point["time_ns"]:
                buckets = point["buckets"]
                found = _series(metric, attributes, buckets["bounds"], buckets["counts"], point["sum"] or 0.0)
                newest[key] = (point["time_ns"], found)
        return [series for _, series in newest.values()]


@dataclass(frozen=True, slots=True)
class Prometheus:
    """Prometheus, or whatever answers `/api/v1/query` as it does."""

    backend: Backend

    def series(self, metric: Metric, service: str) -> Sequence[Series]:
        """Return the histograms whose buckets it has now."""
        name = metric_name(metric.name, "histogram", "s")
        buckets = dict[tuple[tuple[str, str], ...], dict[float, int]]()
        for labels, value in self._query(f"{name}_bucket", metric, service):
            bound = float(labels.pop("le"))
            buckets.setdefault(tuple(sorted(labels.items())), {})[bound] = int(value)
        sums = {tuple(sorted(labels.items())): value for labels, value in self._query(f"{name}_sum", metric, service)}
        return [
            _series(metric, dict(key), sorted(found)[:-1], _apart(found), sums.get(key, 0.0))
            for key, found in buckets.items()
        ]

    def _query(self, name: str, metric: Metric, service: str) -> list[tuple[dict[str, str], float]]:
        query = f'{name}{{{label_name(metric.service)}="{service}"}}'
        answer = self.backend.json("/api/v1/query", query=query)
        if answer.get("status") != "success":
            raise UnansweredError(self.backend.name, self.backend.url, f"{query}: {answer.get('error')}")
        found = [(dict(one["metric"]), float(one["value"][1])) for one in answer["data"]["result"]]
        return [({key: value for key, value in labels.items() if key != "__name__"}, value) for labels, value in found]


def _series(
    metric: Metric, labels: Mapping[str, str], bounds: Sequence[float], counts: Sequence[Any], seconds: float
) -> Series:
    version = labels.get(label_name(metric.version), "")
    failed = bool(labels.get(label_name(semconv.ERROR_TYPE)))
    return Series(tuple(sorted(labels.items())), version, failed, tuple(bounds), tuple(map(int, counts)), seconds)


def _apart(cumulative: Mapping[float, int]) -> list[int]:
    """Return the counts of buckets that each hold those below too."""
    values = [cumulative[bound] for bound in sorted(cumulative)]
    return [value - below for value, below in zip(values, [0, *values], strict=False)]
