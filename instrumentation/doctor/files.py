"""Settings of the stack's files that break a link later, or only sometimes, so that no request can show it now."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from instrumentation.doctor import document, grafana
from instrumentation.doctor.report import Finding, Hop
from instrumentation.doctor.request import SIGNALS

_ZERO = re.compile(r"^0+[a-z]*$")


def check(directory: Path) -> Hop:
    """Judge the configuration below a folder that holds `grafana/ tempo/ prometheus/ collector/`, as the stack."""
    findings: list[Finding] = []
    read: list[str] = []
    for name, judge in _FILES.items():
        try:
            findings += judge(directory, name)
            read.append(name)
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            findings.append(Finding("file-unreadable", f"{name}: {error}", "mend the file"))
    said = f"{len(read)} files in {directory}" if read else f"no configuration in {directory}"
    return Hop("files", said, tuple(findings))


def _grafana(directory: Path, _name: str) -> Iterator[Finding]:
    return grafana.check(directory)


def _tempo(directory: Path, name: str) -> Iterator[Finding]:
    loaded = document.load(directory / name)
    cutoff = document.get(loaded, "query_frontend", "query_end_cutoff")
    if cutoff is None or not _ZERO.match(str(cutoff)):
        cause = f"query_end_cutoff is {cutoff or '30s, the default'}: a search does not find what is newer"
        yield Finding("tempo-cutoff", cause, f"query_frontend.query_end_cutoff: 0s in {name}")
    label = document.get(loaded, "overrides", "defaults", "metrics_generator", "trace_id_label_name")
    if label != grafana.TRACE_ID:
        cause = f"exemplars of span metrics have the label {label or 'traceID, the default'}"
        fix = f"overrides.defaults.metrics_generator.trace_id_label_name: {grafana.TRACE_ID} in {name}"
        yield Finding("tempo-exemplar-label", cause, fix)


def _prometheus(directory: Path, name: str) -> Iterator[Finding]:
    window = str(document.get(document.load(directory / name), "storage", "tsdb", "out_of_order_time_window") or "0")
    if _ZERO.match(window):
        cause = "samples that waited in the Collector during an outage are refused when they come beside newer ones"
        yield Finding("prometheus-out-of-order", cause, f"storage.tsdb.out_of_order_time_window: 30m in {name}")


def _collector(directory: Path, name: str) -> Iterator[Finding]:
    loaded = document.load(directory / name)
    for signal in SIGNALS:
        if "otlp" not in (document.get(loaded, "service", "pipelines", signal, "receivers") or ()):
            cause = f"no pipeline takes {signal} from the receiver otlp"
            yield Finding("collector-pipeline", cause, f"service.pipelines.{signal} with `receivers: [otlp]` in {name}")


_FILES: Mapping[str, Callable[[Path, str], Iterator[Finding]]] = {
    grafana.DATASOURCES: _grafana,
    "tempo/tempo.yaml": _tempo,
    "prometheus/prometheus.yml": _prometheus,
    "collector/collector.yaml": _collector,
}
FILES: Sequence[str] = tuple(_FILES)
