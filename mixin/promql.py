"""PromQL, put together from parts."""

from collections.abc import Sequence

from mixin.metric import Metric

STEP = "$__rate_interval"
"""Grafana's window for rates: at least four intervals between two points."""


def equal(label: str, value: str) -> str:
    """Match a label that has exactly this value."""
    return f'{label}="{value}"'


def like(label: str, pattern: str) -> str:
    """Match a label whose whole value matches a regular expression."""
    return f'{label}=~"{pattern}"'


def differs(label: str, value: str) -> str:
    """Match a label that has another value."""
    return f'{label}!="{value}"'


def present(label: str) -> str:
    """Match series that have the label."""
    return f'{label}!=""'


def absent(label: str) -> str:
    """Match series that lack the label."""
    return f'{label}=""'


def select(name: str, *matchers: str) -> str:
    """Select series."""
    return f"{name}{{{', '.join(matchers)}}}" if matchers else name


def rate(name: str, *matchers: str, window: str = STEP) -> str:
    """Increase per second."""
    return f"rate({select(name, *matchers)}[{window}])"


def increase(name: str, *matchers: str, window: str = "$__range") -> str:
    """Increase over a window."""
    return f"increase({select(name, *matchers)}[{window}])"


def total(expression: str, *labels: str) -> str:
    """Sum, apart by labels if there are any."""
    return f"sum by ({', '.join(labels)}) ({expression})" if labels else f"sum({expression})"


def highest(expression: str, *labels: str) -> str:
    """Highest value, apart by labels if there are any."""
    return f"max by ({', '.join(labels)}) ({expression})" if labels else f"max({expression})"


def share(part: str, whole: str) -> str:
    """Part of a whole, 0 where the part has no series yet; both must be apart by the same labels."""
    return f"({part} or {whole} * 0) / ({whole} > 0)"


def any_of(expressions: Sequence[str]) -> str:
    """Put series of several metrics side by side."""
    return " or ".join(expressions)


def quantile(fraction: float, metrics: Metric | Sequence[Metric], *matchers: str, by: Sequence[str] = ()) -> str:
    """Estimate a quantile of histograms that have the same buckets."""
    several = (metrics,) if isinstance(metrics, Metric) else metrics
    buckets = any_of([rate(metric.bucket, *matchers) for metric in several])
    return f"histogram_quantile({fraction:g}, {total(buckets, 'le', *by)})"
