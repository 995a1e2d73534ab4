"""The longest of many are found without keeping all."""

import random

from clew_console.search.ranking import Longest


def test_the_longest_are_kept_whatever_the_order():
    """Of a thousand keys in any order, some of them seen again, exactly the longest remain, each at its longest."""
    source = random.Random(7)
    durations = {number.to_bytes(16, "big"): number * 1000 for number in range(1000)}
    pairs = [(key, duration_ns - again) for key, duration_ns in durations.items() for again in (0, 700)]
    source.shuffle(pairs)
    longest = Longest(20)
    for key, duration_ns in pairs:
        if not longest.is_full_above(duration_ns):
            longest.add(key, duration_ns)
    assert longest.keys() == [number.to_bytes(16, "big") for number in range(999, 979, -1)]
