"""Labels that would make a series per request: raw paths, ids, addresses."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping

from instrumentation.testing.records import Point, Span

MAX_SERIES = 100
"""Of one metric in one test; beyond it, something that varies is a label."""
RAW_KEYS = frozenset(
    ("http.target", "http.url", "request_id", "span_id", "trace_id", "url.full", "url.path", "url.query")
)
"""Attributes of spans and logs that no metric may have."""
_UNBOUNDED: Mapping[str, re.Pattern[str]] = {
    "a UUID": re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE),
    "an id": re.compile(r"(?:^|/)(?:[0-9a-f]{16,}|\d{3,})(?:$|/)", re.IGNORECASE),
    "a number within a path": re.compile(r"^/.*?/\d+(?:$|/)"),
    "an e-mail address": re.compile(r"[^\s@/]+@[^\s@/]+\.[a-z]{2,}", re.IGNORECASE),
}
_STATUS = re.compile(r".*(?:status|status_code|port)$")


def assert_low_cardinality(
    points: Iterable[Point], spans: Iterable[Span] = (), *, allow: Collection[str] = (), max_series: int = MAX_SERIES
) -> None:
    """Check that no label of a metric has a value per request: a raw path, an id, an address of a person.

    Args:
        points: As captured.
        spans: As captured; the path of a request that has a template must be no label.
        allow: Names of labels that are not looked at.
        max_series: Most series of one metric.

    Raises:
        AssertionError: a label has; tells metric, label and value.
    """
    points = list(points)
    paths = dict(_raw_paths(spans))
    wrong = dict.fromkeys(
        f"metric {point.name!r}: label {key!r} is {why}: {value!r}"
        for point in points
        for key, value in point.attributes.items()
        if key not in allow
        for why in _reasons(key, str(value), paths)
    )
    series = Counter(point.name for point in points)
    many = [
        f"metric {name!r} has {count} series, more than {max_series}"
        for name, count in series.items()
        if count > max_series
    ]
    if wrong or many:
        raise AssertionError("\n  ".join(["labels that vary per request:", *wrong, *many]))


def _raw_paths(spans: Iterable[Span]) -> Iterator[tuple[str, str]]:
    """Yield the path of each request whose route is another, with that route."""
    for span in spans:
        path, route = span.attributes.get("url.path"), span.attributes.get("http.route")
        if isinstance(path, str) and isinstance(route, str) and path != route:
            yield path, route


def _reasons(key: str, value: str, paths: Mapping[str, str]) -> Iterator[str]:
    if key in RAW_KEYS:
        yield "one that differs in each request"
    elif value in paths:
        yield f"a raw path, whose route is {paths[value]!r}"
    elif not _STATUS.fullmatch(key):
        yield from (name for name, pattern in _UNBOUNDED.items() if pattern.search(value))
