"""Durations counted in buckets: small to keep, exact to add, good to 5 % as quantiles."""

import math
from collections.abc import Iterable, Mapping

from opentelemetry.proto.trace.v1.trace_pb2 import Span

BUCKETS_PER_DOUBLING = 8
"""A bucket is 9 % wide, so its middle is at most 4.5 % off."""


def bucket(duration_ns: int) -> int:
    """Return the bucket of a duration; bucket 0 is what took less than 1 ns."""
    return int(math.log2(duration_ns) * BUCKETS_PER_DOUBLING) + 1 if duration_ns >= 1 else 0


def bucket_ns(number: int) -> int:
    """Return the middle of a bucket."""
    return round(2 ** ((number - 0.5) / BUCKETS_PER_DOUBLING)) if number else 0


def quantiles(counts: Mapping[int, int], shares: Iterable[float]) -> list[int]:
    """Return the durations in ns that these shares (0 to 1) of the counted stay below; 0 where nothing was counted."""
    total, ordered, found = sum(counts.values()), sorted(counts.items()), list[int]()
    for share in shares:
        rank, seen, value = share * total, 0, 0
        for number, count in ordered:
            seen += count
            value = bucket_ns(number)
            if seen >= rank:
                break
        found.append(value)
    return found


def duration_ns(span: Span) -> int:
    """Return end minus start, and 0 where the clock went backwards or the end is missing."""
    return min(max(span.end_time_unix_nano - span.start_time_unix_nano, 0), (1 << 63) - 1)
