"""The links that Grafana is provisioned with: each must lead to what exists, by names that the kit writes."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from instrumentation import semconv
from instrumentation.doctor import document
from instrumentation.doctor.report import Finding

TRACE_ID = "trace_id"
DATASOURCES = "grafana/provisioning/datasources/datasources.yaml"
_SINGLE_DOLLAR = re.compile(r"(?<!\$)\$(?:\{__|__)\w+")
_METRIC = re.compile(r"\b([a-z][a-z0-9_]+)\{")
_ASKS_FOR_TRACE = re.compile(rf"\|\s*{TRACE_ID}\s*=~?\s*\S*\$\{{__trace\.traceId")
_ZERO_SHIFT = re.compile(r"^[-+]?0*[a-z]*$")
_NAMES = tuple(value.replace(".", "_") for value in vars(semconv).values() if isinstance(value, str) and "." in value)

Sources = Mapping[str, Mapping[str, Any]]


def check(directory: Path) -> Iterator[Finding]:
    """Yield what is wrong with the provisioned datasources below a folder.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is not YAML.
    """
    listed: Sequence[Mapping[str, Any]] = document.load(directory / DATASOURCES)["datasources"]
    sources = {str(one["type"]): one.get("jsonData", {}) for one in listed}
    uids = {str(one["uid"]): str(one["type"]) for one in listed}
    for path, wanted, uid in _destinations(sources):
        if uids.get(uid) != wanted:
            cause = f"{path} is {uid!r}; {wanted} has the uid {_uid_of(uids, wanted)!r}"
            yield Finding("grafana-uid", cause, f"datasourceUid: {_uid_of(uids, wanted)} in {DATASOURCES}")
    for path, link in _texts({str(one["type"]): one for one in listed}, ""):
        if (found := _SINGLE_DOLLAR.search(link)) is not None:
            cause = f"{path}: provisioning replaces {found[0]} by a variable of the environment, which is empty"
            yield Finding("grafana-dollar", cause, f"write $${found[0][1:]} in {DATASOURCES}")
    for rule in _RULES:
        yield from rule(sources)


def _uid_of(uids: Mapping[str, str], wanted: str) -> str:
    return next((uid for uid, kind in uids.items() if kind == wanted), "")


def _destinations(sources: Sources) -> Iterator[tuple[str, str, str]]:
    """Yield where each link leads: its path, the kind of datasource it needs, the uid it names."""
    for link in sources.get("prometheus", {}).get("exemplarTraceIdDestinations", ()):
        yield "exemplarTraceIdDestinations.datasourceUid", "tempo", link.get("datasourceUid", "")
    for link in sources.get("loki", {}).get("derivedFields", ()):
        yield "derivedFields.datasourceUid", "tempo", link.get("datasourceUid", "")
    of_tempo = sources.get("tempo", {})
    for key, wanted in (("tracesToLogsV2", "loki"), ("tracesToMetrics", "prometheus"), ("serviceMap", "prometheus")):
        yield f"{key}.datasourceUid", wanted, of_tempo.get(key, {}).get("datasourceUid", "")


def _texts(node: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, str):
        yield path, node
    elif isinstance(node, Mapping):
        for key, value in cast("Mapping[str, Any]", node).items():
            yield from _texts(value, f"{path}.{key}".lstrip("."))
    elif isinstance(node, list):
        for value in cast("list[Any]", node):
            yield from _texts(value, path)


def _exemplar_label(sources: Sources) -> Iterator[Finding]:
    links = sources.get("prometheus", {}).get("exemplarTraceIdDestinations", ())
    names = [link.get("name") for link in links]
    if TRACE_ID not in names:
        cause = f"exemplarTraceIdDestinations reads {names}; exemplars have the label {TRACE_ID}"
        yield Finding("grafana-exemplar-label", cause, f"name: {TRACE_ID} in {DATASOURCES}")


def _derived_field(sources: Sources) -> Iterator[Finding]:
    fields = sources.get("loki", {}).get("derivedFields", ())
    if not any(one.get("matcherType") == "label" and one.get("matcherRegex") == TRACE_ID for one in fields):
        cause = f"no derived field reads the label {TRACE_ID}, where OTLP puts the id; lines of text do not hold it"
        fix = f"derivedFields: {{matcherType: label, matcherRegex: {TRACE_ID}}} in {DATASOURCES}"
        yield Finding("grafana-derived-field", cause, fix)


def _time_shift(sources: Sources) -> Iterator[Finding]:
    for key in ("tracesToLogsV2", "tracesToMetrics"):
        link = sources.get("tempo", {}).get(key, {})
        shifts = str(link.get("spanStartTimeShift", "")), str(link.get("spanEndTimeShift", ""))
        if not shifts[0].startswith("-") or any(map(_ZERO_SHIFT.match, shifts)) or shifts[1].startswith("-"):
            cause = (
                f"{key} looks from {shifts[0] or 0} to {shifts[1] or 0} around a span; records may be outside of that"
            )
            fix = f"{key}.spanStartTimeShift: -5m and spanEndTimeShift: 5m in {DATASOURCES}"
            yield Finding("grafana-time-shift", cause, fix)


def _logs_query(sources: Sources) -> Iterator[Finding]:
    link = sources.get("tempo", {}).get("tracesToLogsV2", {})
    asked = str(link.get("query", "")) if link.get("customQuery") else ""
    if _ASKS_FOR_TRACE.search(asked) or (not asked and link.get("filterByTraceID")):
        return
    cause = f"tracesToLogsV2 does not ask for lines whose label {TRACE_ID} is the trace's: {asked or 'no query'}"
    fix = f'customQuery: true, and a query that ends in | {TRACE_ID} = "$${{__trace.traceId}}" in {DATASOURCES}'
    yield Finding("grafana-logs-query", cause, fix)


def _link_labels(sources: Sources) -> Iterator[Finding]:
    for key in ("tracesToLogsV2", "tracesToMetrics"):
        tags = {one.get("key"): one.get("value") for one in sources.get("tempo", {}).get(key, {}).get("tags", ())}
        if tags.get("service.name") != "service_name":
            cause = f"{key} maps service.name to {tags.get('service.name')!r}; the label is service_name"
            yield Finding(
                "grafana-link-label", cause, f"tags: [{{key: service.name, value: service_name}}] in {DATASOURCES}"
            )


def _link_metrics(sources: Sources) -> Iterator[Finding]:
    for query in sources.get("tempo", {}).get("tracesToMetrics", {}).get("queries", ()):
        for name in _METRIC.findall(query.get("query", "")):
            if not name.startswith(_NAMES):
                cause = f"the query {query.get('name')!r} asks for {name}, which the kit does not emit"
                yield Finding("grafana-metric", cause, f"a metric of docs/dashboards.md in {DATASOURCES}")


_RULES: Sequence[Callable[[Sources], Iterator[Finding]]] = (
    _exemplar_label,
    _derived_field,
    _time_shift,
    _logs_query,
    _link_labels,
    _link_metrics,
)
