"""The identity of a series: its attributes as a key that tells `1` from `True` and has a bounded size."""

import re
from collections.abc import Iterable, Mapping
from math import isnan
from typing import cast

from instrumentation.encode.family import Scalar

SeriesKey = tuple[tuple[str, type, Scalar], ...]

MAX_VALUE_CHARACTERS = 1024
"""Longer attribute values are cut, so that 2000 series stay within a few MiB."""
MAX_ATTRIBUTES = 64
"""Further attributes of one series are ignored."""
OVERFLOW_ATTRIBUTE = "otel.metric.overflow"
"""Marks the series of all measurements beyond the limit. Source: /docs/specs/otel/metrics/sdk/#overflow-attribute"""

_SURROGATES = re.compile("[\ud800-\udfff]")


def series_key(attributes: Mapping[str, Scalar]) -> SeriesKey:
    """Return the attributes as a tuple, in the order of their names, each with its type."""
    return tuple(sorted([(key, value.__class__, value) for key, value in attributes.items()]))


def clean(attributes: Mapping[str, object]) -> dict[str, Scalar]:
    """Return attributes that every exit can carry: text for what is no scalar, U+FFFD for lone surrogates, no None."""
    try:
        pairs = list(cast("Iterable[tuple[object, object]]", attributes.items()))
    except Exception:  # no mapping, or one that fails: the measurement counts all the same
        return {}
    kept = [(_text(key), _scalar(value)) for key, value in pairs if value is not None]
    return dict(kept[:MAX_ATTRIBUTES])


def _scalar(value: object) -> Scalar:
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
        return int(value)
    if isinstance(value, float) and not isnan(value):  # NaN is equal to nothing: each would be a new series
        return float(value)
    return _text(value)


def _text(value: object) -> str:
    try:
        text = str.__str__(value) if isinstance(value, str) else str(value)
    except Exception:
        text = f"<{type(value).__name__} without text>"
    return _SURROGATES.sub("\ufffd", text[:MAX_VALUE_CHARACTERS])
