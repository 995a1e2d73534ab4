"""Compare what queries rely on with what a run emitted."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from mixin.contract.emitted import Emitted, Values
from mixin.contract.place import Place
from mixin.contract.reading import Reference, UnreadableError, read

BACKENDS = re.compile(r"up|scrape_\w+|otelcol_\w+|loki_\w+|tempo_\w+|prometheus_\w+|traces_\w+")
"""Series that backends make about themselves; only a run of the whole stack has them."""

IsBackends = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Unresolved:
    """A name that nothing emits, and the place that relies on it."""

    where: str
    missing: str


def of_backends(metric: str) -> bool:
    """Tell whether a metric is one that a backend makes about itself."""
    return BACKENDS.fullmatch(metric) is not None


def recorded(root: Path) -> dict[str, Values]:
    """Return the series that the rules themselves make: recordings, and ALERTS."""
    made = dict[str, Values]()
    alerts: Values = {"alertname": set(), "alertstate": {"pending", "firing"}, "severity": set()}
    for path in sorted((root / "prometheus/rules").glob("*.yaml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                labels = rule.get("labels", {})
                _put(alerts if "alert" in rule else made.setdefault(rule["record"], {}), labels)
                if "alert" in rule:
                    alerts["alertname"].add(rule["alert"])
    for values in made.values():
        _put(alerts, dict.fromkeys(values, ""))
    return {**made, "ALERTS": alerts}


def unresolved(
    places: Iterable[Place], emitted: Emitted, rules: dict[str, Values], ignore: IsBackends = of_backends
) -> list[Unresolved]:
    """Return every name that nothing emits, in the order of the places.

    Args:
        places: What to look at.
        emitted: By a run.
        rules: Series that recording rules make.
        ignore: Tells of a metric whether it need not be there.
    """
    series = {**emitted.metrics, **rules}
    return [
        Unresolved(place.where, missing) for place in places for missing in _missing(place, emitted, series, ignore)
    ]


def _missing(place: Place, emitted: Emitted, series: dict[str, Values], ignore: IsBackends) -> list[str]:
    try:
        references = read(place)
    except UnreadableError as error:
        return [f"cannot be read: {error}"]
    match place.language:
        case "promql":
            return [each for reference in references for each in _missing_of_metric(reference, series, ignore)]
        case "promql label" if place.where.partition(" exemplar ")[1]:
            return [f"exemplar label {place.text}"] if place.text not in emitted.exemplar_labels else []
        case "promql label":
            known = {label for labels in emitted.metrics.values() for label in labels}
            return [f"label {place.text}"] if place.text not in known else []
        case "traceql":
            return _missing_keys(references[0], _any_scope(emitted.spans), "attribute")
        case "span attribute":
            known = {key.partition(".")[2] for key in emitted.spans}
            return [f"attribute {place.text}"] if place.text not in known else []
        case _:
            return _missing_keys(references[0], emitted.logs, "log key")


def _missing_of_metric(reference: Reference, series: dict[str, Values], ignore: IsBackends) -> list[str]:
    if ignore(reference.name):
        return []
    labels = series.get(reference.name)
    if labels is None:
        return [f"metric {reference.name}"]
    return _missing_keys(reference, labels, f"label of {reference.name}:")


def _missing_keys(reference: Reference, known: Values, what: str) -> list[str]:
    missing = [f"{what} {key}" for key in sorted(reference.keys - known.keys())]
    wrong = [(key, value) for key, value in sorted(reference.values) if key in known and value not in known[key]]
    return missing + [f"{what} {key}={value!r}" for key, value in wrong]


def _any_scope(spans: Values) -> Values:
    merged: Values = {**spans}
    for key, values in spans.items():
        merged.setdefault(f"any.{key.partition('.')[2]}", set()).update(values)
    return merged


def _put(values: Values, labels: dict[str, str]) -> None:
    for name, value in labels.items():
        values.setdefault(name, set()).add(value)
