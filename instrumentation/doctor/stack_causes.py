"""Why a hop on the stack is broken, by what Prometheus, Loki, Tempo and the Collector say of themselves."""

import json
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from instrumentation.backend import Backend, UnansweredError
from instrumentation.doctor import document
from instrumentation.doctor.report import Finding
from instrumentation.doctor.request import SERVICE, Marked
from instrumentation.encode import log as encode
from instrumentation.encode import otlp

TRANSLATION = "UnderscoreEscapingWithSuffixes"
COUNT = "http_server_request_duration_seconds_count"
SPAN_KEYS = ("http.request.method", "http.response.status_code")
"""Attributes of a server span by which its metrics are found."""
MASKED = "****"
"""What the Collector's redaction writes in place of a value."""
MAX_SKEW_SECONDS = 30.0
_SAMPLE = re.compile(r"^(\w+)\{([^}]*)\} ([0-9.e+]+)$", re.MULTILINE)


class Where(NamedTuple):
    """The backends; the Collector's page of its own metrics."""

    prometheus: Backend
    loki: Backend
    tempo: Backend
    collector: Backend


Cause = Callable[[Where, Marked], Finding | None]


def why(where: Where, hop: str, marked: Marked) -> Finding | None:
    """Return the first cause that applies to a hop; None if nothing is known to be wrong."""
    for cause in (*_CAUSES[hop], _clock):
        with suppress(UnansweredError):  # then that backend cannot tell, which is said otherwise
            if (finding := cause(where, marked)) is not None:
                return finding
    return None


def _no_otlp_receiver(where: Where, _marked: Marked) -> Finding | None:
    if _flags(where).get("web.enable-otlp-receiver") == "true":
        return None
    fix = "start Prometheus with --web.enable-otlp-receiver"
    return Finding("prometheus-otlp-receiver", "Prometheus takes no OTLP", fix)


def _not_promoted(where: Where, marked: Marked) -> Finding | None:
    found = _series(where, f'{COUNT}{{instance="{marked.instance}"}}')
    if not found or any("service_name" in labels for labels in found):
        return None
    return Finding(
        "prometheus-promoted-attributes",
        "series have no label service_name, which dashboards and links select by",
        "otlp.promote_resource_attributes: [service.name, ...] in prometheus.yml",
    )


def _other_names(where: Where, _marked: Marked) -> Finding | None:
    strategy = document.get(_prometheus_config(where), "otlp", "translation_strategy")
    if strategy in (None, TRANSLATION):
        return None
    return Finding(
        "prometheus-translation",
        f"otlp.translation_strategy is {strategy}: metrics have other names than dashboards ask for",
        f"otlp.translation_strategy: {TRANSLATION} in prometheus.yml",
    )


def _no_exemplar_storage(where: Where, _marked: Marked) -> Finding | None:
    if "exemplar-storage" in _flags(where).get("enable-feature", ""):
        return None
    fix = "start Prometheus with --enable-feature=exemplar-storage"
    return Finding("prometheus-exemplar-storage", "Prometheus keeps no exemplars", fix)


def _no_room_for_exemplars(where: Where, _marked: Marked) -> Finding | None:
    room = document.get(_prometheus_config(where), "storage", "exemplars", "max_exemplars")
    if room:  # Prometheus leaves out what is 0
        return None
    fix = "storage.exemplars.max_exemplars: 100000 in prometheus.yml"
    return Finding("prometheus-exemplar-storage", "storage.exemplars.max_exemplars is 0", fix)


def _not_exported(signal: str, records: str, fix: str) -> Cause:
    def cause(where: Where, _marked: Marked) -> Finding | None:
        waiting = _collector(where, "otelcol_exporter_queue_size", f'data_type="{signal}"')
        failed = _collector(where, f"otelcol_exporter_send_failed_{records}")
        if not waiting + failed:
            return None
        seen = f"{waiting:g} wait to be sent again, {failed:g} were given up"
        return Finding(f"collector-export-{signal}", f"the Collector cannot deliver {signal}: {seen}", fix)

    return cause


def _sampled_away(where: Where, _marked: Marked) -> Finding | None:
    if "otelcol_processor_tail_sampling_" not in where.collector.text("/metrics"):
        return None
    return Finding(
        "tail-sampling",
        "the Collector samples by tail, and did not keep the trace",
        "raise SAMPLING_PERCENTAGE, or leave out collector/tail-sampling.yaml",
    )


def _nameless(where: Where, _marked: Marked) -> Finding | None:
    """Prometheus makes `job` of service.name: a series without one, or with a mask, came without it."""
    found = _series(where, f'{COUNT}{{job=~"[*]*"}}')
    return _redacted("metrics", "service.name") if found else None


def _redacted_span(where: Where, marked: Marked) -> Finding | None:
    spans = json.dumps(where.tempo.json(f"/api/traces/{marked.trace_id}"))
    lacking = [key for key in SPAN_KEYS if f'"{key}"' not in spans]
    if not lacking and MASKED not in spans:
        return None
    return _redacted("spans", " and ".join(lacking) or "values that links select by")


def _redacted(records: str, what: str) -> Finding:
    return Finding(
        "collector-redaction",
        f"{records} are stored without {what}: the Collector took it away, or masked it",
        "processors.redaction in collector.yaml: add it to allowed_keys, or narrow blocked_key_patterns",
    )


def _loki_refuses(where: Where, _marked: Marked) -> Finding | None:
    """Give Loki a log record by hand: its refusal says why, which the Collector keeps to itself."""
    rest = encode.severity(17, "ERROR") + encode.body("clew doctor asks why logs are refused")
    records = {
        otlp.scope(SERVICE): [encode.record(time.time_ns(), rest + encode.ids(b"\1" * 16, b"\1" * 8, sampled=True))]
    }
    try:
        where.loki.post("/otlp/v1/logs", otlp.export_request(otlp.resource({"service.name": SERVICE}), records))
    except UnansweredError as error:
        return _refusal(str(error)) if error.status else None
    return None


def _refusal(said: str) -> Finding:
    for words, name, fix in _REFUSALS:
        if words in said:
            return Finding(name, said, fix)
    return Finding("loki-refuses", said, "limits_config in loki.yaml")


_REFUSALS = (
    (
        "structured metadata",
        "loki-structured-metadata",
        "limits_config.allow_structured_metadata: true in loki.yaml, with schema v13: OTLP puts the trace id there",
    ),
    (
        "label",
        "loki-index-labels",
        "limits_config.otlp_config.resource_attributes: index_label for service.name in loki.yaml",
    ),
)


def _clock(where: Where, _marked: Marked) -> Finding | None:
    for backend in (where.prometheus, where.loki, where.tempo):
        if (finding := skew(backend)) is not None:
            return finding
    return None


def skew(backend: Backend) -> Finding | None:
    """Tell if a backend's clock is apart from this machine's by more than MAX_SKEW_SECONDS."""
    theirs = backend.server_unix_seconds
    if theirs is None or abs(apart := theirs - time.time()) <= MAX_SKEW_SECONDS:
        return None
    return Finding(
        "clock-skew",
        f"the clock of {backend.name} is {apart:+.0f} s from this machine's: links look at another time",
        "set both clocks by NTP",
    )


_CAUSES: dict[str, tuple[Cause, ...]] = {
    "metric": (
        _no_otlp_receiver,
        _other_names,
        _not_promoted,
        _not_exported(
            "metrics", "metric_points", "PROMETHEUS_OTLP_ENDPOINT of the Collector: http://HOST:9090/api/v1/otlp"
        ),
        _nameless,
    ),
    "exemplar": (_no_exemplar_storage, _no_room_for_exemplars),
    "trace": (
        _not_exported("traces", "spans", "TEMPO_OTLP_ENDPOINT of the Collector: HOST:4317, gRPC"),
        _sampled_away,
    ),
    "logs": (
        _loki_refuses,
        _not_exported("logs", "log_records", "LOKI_OTLP_ENDPOINT of the Collector: http://HOST:3100/otlp"),
    ),
    "back": (),
    "metrics": (_redacted_span,),
}


def _flags(where: Where) -> dict[str, str]:
    return where.prometheus.json("/api/v1/status/flags")["data"]


def _prometheus_config(where: Where) -> Mapping[str, Any]:
    return document.parse(where.prometheus.json("/api/v1/status/config")["data"]["yaml"])


def _series(where: Where, selector: str) -> list[dict[str, str]]:
    return [one["metric"] for one in where.prometheus.json("/api/v1/query", query=selector)["data"]["result"]]


def _collector(where: Where, name: str, label: str = "") -> float:
    """Return the sum of a metric of the Collector, from its own page or from who scrapes it."""
    try:
        page = where.collector.text("/metrics")
    except UnansweredError:
        found = where.prometheus.json("/api/v1/query", query=f'sum({{__name__=~"{name}.*", {label}}})')["data"][
            "result"
        ]
        return sum(float(one["value"][1]) for one in found)
    samples = _SAMPLE.findall(page)
    return sum(float(value) for found, labels, value in samples if found.startswith(name) and label in labels)
