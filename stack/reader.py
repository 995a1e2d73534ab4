"""One client for whatever has the read APIs of Tempo, Loki and Prometheus; the console has the first two."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import httpx


class StoredSpan(NamedTuple):
    """A span as the read API tells it."""

    service: str
    name: str
    kind: str
    span_id: str
    parent_id: str
    links: list[str]
    attributes: dict[str, Any]


class Exemplar(NamedTuple):
    """An exemplar, with the labels of its series."""

    series: Mapping[str, str]
    trace_id: str
    span_id: str
    value: float


class Reader:
    """Reads traces, logs and metrics over HTTP.

    Args:
        tempo_url: Where `/api/traces` and `/api/search` are.
        loki_url: Where `/loki/api/v1` is.
        prometheus_url: Where `/api/v1/query` is, if metrics are to be read.
    """

    def __init__(self, tempo_url: str, loki_url: str, prometheus_url: str = "") -> None:
        self._tempo = httpx.Client(base_url=tempo_url, timeout=10)
        self._loki = httpx.Client(base_url=loki_url, timeout=30)
        self._prometheus = httpx.Client(base_url=prometheus_url, timeout=30)

    def close(self) -> None:
        """Let go of the connections."""
        for client in (self._tempo, self._loki, self._prometheus):
            client.close()

    def trace(self, trace_id: str) -> list[StoredSpan]:
        """Return the spans of a trace; none if there is no such trace."""
        response = self._tempo.get(f"/api/traces/{trace_id}")
        if response.status_code == 404:
            return []
        response.raise_for_status()
        return [
            _span(batch["resource"], span)
            for batch in response.json()["batches"]
            for scope in batch["scopeSpans"]
            for span in scope["spans"]
        ]

    def search(self, query: str) -> list[str]:
        """Return the ids of the traces of the last hour that a TraceQL query finds, at most 100."""
        response = self._tempo.get("/api/search", params={"q": query, "limit": 100, **_last_hour()})
        response.raise_for_status()
        return [found["traceID"].rjust(32, "0") for found in response.json()["traces"]]

    def span_count(self) -> int:
        """Return how many spans Tempo holds of the last hour."""
        parameters = {"q": "{} | count_over_time()", "step": "1h", **_last_hour()}
        response = self._tempo.get("/api/metrics/query", params=parameters)
        response.raise_for_status()
        return sum(int(series["value"]) for series in response.json()["series"])

    def logs(self, query: str, limit: int = 1000) -> list[tuple[dict[str, str], str]]:
        """Return (labels, line) pairs of the last hour that a LogQL query finds."""
        response = self._loki.get("/loki/api/v1/query_range", params={"query": query, "limit": limit})
        response.raise_for_status()
        streams = response.json()["data"]["result"]
        return [(stream["stream"], line) for stream in streams for _, line in stream["values"]]

    def log_count(self, selector: str) -> int:
        """Return how many lines of the last hour a selector finds."""
        response = self._loki.get("/loki/api/v1/query", params={"query": f"sum(count_over_time({selector}[1h]))"})
        response.raise_for_status()
        return sum(int(result["value"][1]) for result in response.json()["data"]["result"])

    def metrics(self, query: str) -> list[tuple[dict[str, str], float]]:
        """Return (labels, value) pairs that a PromQL query gives now."""
        result = self._ask("query", query=query)["result"]
        return [(sample["metric"], float(sample["value"][1])) for sample in result]

    def samples(self, query: str) -> list[tuple[dict[str, str], list[float]]]:
        """Return (labels, times) of the samples that a range selector, like `up[5m]`, finds."""
        result = self._ask("query", query=query)["result"]
        return [(series["metric"], [moment for moment, _ in series["values"]]) for series in result]

    def point_count(self) -> int:
        """Return how many data points of the last hour came from services: of a histogram its count stands for it."""
        one_series_a_point = '{service_name!="", __name__!~".+_(bucket|sum)|target_info|ALERTS.*|.+:.+"}'
        # Counted here: Prometheus drops the names before it counts, and then has many series with the same labels.
        return sum(len(times) for _, times in self.samples(f"{one_series_a_point}[1h]"))

    def series(self, selector: str) -> list[dict[str, str]]:
        """Return the labels of the series of the last hour that a selector finds."""
        return self._ask("series", **{"match[]": selector}, **_last_hour())

    def exemplars(self, query: str) -> list[Exemplar]:
        """Return the exemplars of the last hour of the series in a query."""
        return [
            Exemplar(
                found["seriesLabels"],
                exemplar["labels"].get("trace_id", ""),
                exemplar["labels"].get("span_id", ""),
                float(exemplar["value"]),
            )
            for found in self._ask("query_exemplars", query=query, **_last_hour())
            for exemplar in found["exemplars"]
        ]

    def _ask(self, path: str, **parameters: Any) -> Any:
        response = self._prometheus.get(f"/api/v1/{path}", params=parameters)
        response.raise_for_status()
        return response.json()["data"]


def _last_hour() -> dict[str, int]:
    now = int(time.time())
    return {"start": now - 3600, "end": now + 60}


def _span(resource: Mapping[str, Any], span: Mapping[str, Any]) -> StoredSpan:
    return StoredSpan(
        _attributes(resource)["service.name"],
        span["name"],
        span["kind"].removeprefix("SPAN_KIND_"),
        _hex(span["spanId"]),
        _hex(span.get("parentSpanId", "")),
        [_hex(link["traceId"]) for link in span.get("links", [])],
        _attributes(span),
    )


def _hex(text: str) -> str:
    return base64.b64decode(text).hex()


def _attributes(holder: Mapping[str, Any]) -> dict[str, Any]:
    return {item["key"]: next(iter(item["value"].values())) for item in holder.get("attributes", [])}
