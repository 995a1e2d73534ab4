"""Prometheus, Loki and Tempo, asked as Grafana's links ask them."""

import base64
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from instrumentation.backend import NOT_FOUND, Backend, UnansweredError
from instrumentation.doctor import stack_causes
from instrumentation.doctor.report import Finding
from instrumentation.doctor.request import SERVICE, Marked
from instrumentation.doctor.stack_causes import COUNT, SPAN_KEYS
from instrumentation.doctor.walk import FoundSpan

BUCKET = "http_server_request_duration_seconds_bucket"


@dataclass(frozen=True, slots=True)
class Stack:
    """The target of `clew doctor --stack`."""

    prometheus: Backend
    loki: Backend
    tempo: Backend
    collector: Backend

    def series(self, marked: Marked) -> Mapping[str, str] | None:
        """Return the labels of the series; None unless it has the label that dashboards ask for."""
        found = self._query(f'{COUNT}{{instance="{marked.instance}"}}')
        return next((one["metric"] for one in found if one["metric"].get("service_name") == SERVICE), None)

    def exemplar(self, marked: Marked) -> str:
        """Return the trace id of the exemplar, from the label that Grafana's link reads."""
        answer = self.prometheus.json(
            "/api/v1/query_exemplars",
            query=f'{BUCKET}{{service_name="{SERVICE}", instance="{marked.instance}"}}',
            start=marked.sent_unix_seconds - 600,
            end=time.time() + 600,
        )
        ids = {one["labels"].get("trace_id", "") for series in answer["data"] for one in series["exemplars"]}
        return marked.trace_id if marked.trace_id in ids else ""

    def spans(self, marked: Marked) -> Sequence[FoundSpan]:
        """Return the spans of the trace."""
        try:
            answer = self.tempo.json(f"/api/traces/{marked.trace_id}")
        except UnansweredError as error:
            if error.status == NOT_FOUND:
                return []
            raise
        return [
            FoundSpan(_hex(span["spanId"]), _attributes(batch["resource"]).get("service.name", ""), _attributes(span))
            for batch in answer["batches"]
            for scope in batch["scopeSpans"]
            for span in scope["spans"]
        ]

    def lines(self, marked: Marked) -> Sequence[Mapping[str, str]]:
        """Return the labels of the trace's lines."""
        answer = self.loki.json(
            "/loki/api/v1/query_range",
            query=f'{{service_name="{SERVICE}"}} | trace_id="{marked.trace_id}"',
            start=int((marked.sent_unix_seconds - 600) * 1e9),
            end=int((time.time() + 600) * 1e9),
        )
        return [stream["stream"] for stream in answer["data"]["result"] for _ in stream["values"]]

    def counted(self, span: FoundSpan) -> float:
        """Return the count of requests of the span's service, method and status, 0 if it has lost one of these."""
        method, status = (span.attributes.get(key, "") for key in SPAN_KEYS)
        if not method or not status:  # an empty label would find the series that have lost it too
            return 0.0
        labels = f'service_name="{span.service}",http_request_method="{method}",http_response_status_code="{status}"'
        return sum(float(one["value"][1]) for one in self._query(f"{COUNT}{{{labels}}}"))

    def why(self, hop: str, marked: Marked) -> Finding | None:
        """Find the cause of a broken hop in what the backends say of their own configuration."""
        where = stack_causes.Where(self.prometheus, self.loki, self.tempo, self.collector)
        return stack_causes.why(where, hop, marked)

    def _query(self, query: str) -> Sequence[Any]:
        return self.prometheus.json("/api/v1/query", query=query)["data"]["result"]


def _hex(text: str) -> str:
    return base64.b64decode(text).hex()


def _attributes(holder: Mapping[str, Any]) -> dict[str, Any]:
    return {item["key"]: next(iter(item["value"].values())) for item in holder.get("attributes", [])}
