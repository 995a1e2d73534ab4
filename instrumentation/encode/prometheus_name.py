"""Translate OpenTelemetry's metric and attribute names to Prometheus names: `UnderscoreEscapingWithSuffixes`.

Source: https://github.com/prometheus/otlptranslator, which Prometheus and the Collector use; the tables are its own.
"""

import re
from functools import lru_cache

from instrumentation.encode.family import Kind

_UNITS = {
    "d": "days",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "By": "bytes",
    "KiBy": "kibibytes",
    "MiBy": "mebibytes",
    "GiBy": "gibibytes",
    "TiBy": "tibibytes",
    "KBy": "kilobytes",
    "MBy": "megabytes",
    "GBy": "gigabytes",
    "TBy": "terabytes",
    "m": "meters",
    "V": "volts",
    "A": "amperes",
    "J": "joules",
    "W": "watts",
    "g": "grams",
    "Cel": "celsius",
    "Hz": "hertz",
    "1": "",
    "%": "percent",
}
_PER_UNITS = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year"}
_NOT_IN_METRIC = re.compile(r"[^a-zA-Z0-9:]+")
_NOT_IN_LABEL = re.compile(r"[^a-zA-Z0-9]+")


@lru_cache(maxsize=4096)
def metric_name(name: str, kind: Kind, unit: str) -> str:
    """Return the Prometheus name, with the unit's suffix and `_total` or `_ratio`; `_` if nothing of it is legal."""
    tokens = [token for token in _NOT_IN_METRIC.split(name) if token]
    tokens += [suffix for suffix in _unit_suffixes(unit) if suffix and suffix not in tokens]
    last = "total" if kind == "counter" else "ratio" if kind == "gauge" and unit == "1" else ""
    if last:
        tokens = [token for token in tokens if token != last] + [last]
    joined = "_".join(tokens) or "_"
    return f"_{joined}" if joined[0].isdigit() else joined


@lru_cache(maxsize=64)
def unit_name(unit: str) -> str:
    """Return the unit as Prometheus spells it, such as `bytes_per_second`; empty for annotations and `1`."""
    return "_".join(suffix for suffix in _unit_suffixes(unit) if suffix)


@lru_cache(maxsize=4096)
def label_name(key: str) -> str:
    """Return the label's name: what is illegal becomes one underscore, a leading digit gets `key_` before it."""
    reserved = len(key) > 4 and key.startswith("__") and key.endswith("__")
    escaped = _NOT_IN_LABEL.sub("_", key[2:-2] if reserved else key)
    if reserved:
        return f"__{escaped}__"
    if not escaped.strip("_"):
        return "key_"
    return f"key_{escaped}" if escaped[0].isdigit() else escaped


def _unit_suffixes(unit: str) -> tuple[str, str]:
    main, _, per = unit.partition("/")
    per_suffix = _legal(_one_unit(per, _PER_UNITS))
    return _legal(_one_unit(main, _UNITS)), f"per_{per_suffix}" if per_suffix else ""


def _one_unit(unit: str, known: dict[str, str]) -> str:
    unit = unit.strip()
    return "" if "{" in unit or "}" in unit else known.get(unit, unit)


def _legal(unit: str) -> str:
    return _NOT_IN_METRIC.sub("_", unit).strip("_")
