"""A snapshot of metrics as plain data: what both exits encode.

Named tuples: one is made for each series at each reading, in a third of the time of a frozen dataclass.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

Kind = Literal["counter", "up_down_counter", "gauge", "histogram", "summary"]
Scalar = str | int | float | bool
Attributes = Mapping[str, Scalar]
Exemplar = tuple[float, int, bytes, bytes]
"""Value, Unix time in nanoseconds, trace ID (16 bytes), span ID (8 bytes). A plain tuple: one is made per request."""


class NumberPoint(NamedTuple):
    """One series of a counter, up-down counter or gauge, cumulative since its start.

    Attributes:
        attributes: Of the series.
        start_unix_ns: When counting began; 0 for a gauge, which has no start.
        value: Sum or last value.
        exemplar: The newest one, if any.
    """

    attributes: Attributes
    start_unix_ns: int
    value: int | float
    exemplar: Exemplar | None = None


class HistogramPoint(NamedTuple):
    """One series of a histogram, cumulative since its start.

    Attributes:
        attributes: Of the series.
        start_unix_ns: When counting began.
        boundaries: Upper bounds, inclusive and ascending; the last bucket has none.
        counts: Per bucket, one more than boundaries. Their sum is the series' count.
        sum: Of all values.
        exemplars: The newest of each bucket.
    """

    attributes: Attributes
    start_unix_ns: int
    boundaries: Sequence[float]
    counts: Sequence[int]
    sum: float
    exemplars: Sequence[Exemplar | None] = ()


class SummaryPoint(NamedTuple):
    """One series of a summary; only Prometheus clients make them.

    Attributes:
        attributes: Of the series.
        start_unix_ns: When counting began.
        count: How many values.
        sum: Of all values.
        quantiles: Quantile and its value.
    """

    attributes: Attributes
    start_unix_ns: int
    count: int  # pyright: ignore[reportIncompatibleMethodOverride] nobody counts the items of the tuple
    sum: float
    quantiles: Sequence[tuple[float, float]] = ()


Point = NumberPoint | HistogramPoint | SummaryPoint


class Family(NamedTuple):
    """An instrument and its series.

    Attributes:
        name: As OpenTelemetry spells it.
        kind: Decides the type of the points: histograms and summaries have their own, all others are numbers.
        unit: UCUM, such as `s`, `By`, `1`, `{request}`.
        description: For people.
        scope: Name of the instrumentation that made it.
        scope_version: Its version, may be empty.
        points: One per series.
    """

    name: str
    kind: Kind
    unit: str = ""
    description: str = ""
    scope: str = ""
    scope_version: str = ""
    points: Sequence[Point] = ()
