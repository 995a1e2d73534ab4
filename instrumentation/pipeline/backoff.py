"""Choose how long to wait before the next attempt."""

import random

FIRST_SECONDS = 0.5
LONGEST_SECONDS = 5.0
"""Low, because one small request per signal and five seconds is no load, and recovery is seen that much sooner."""
LONGEST_ASKED_SECONDS = 3600.0
"""A receiver cannot silence the kit for longer than this with `Retry-After`."""


def delay_seconds(attempts: int, asked_seconds: float | None) -> float:
    """Return the wait after `attempts` failures: what the receiver asked for, else exponential with full jitter."""
    if asked_seconds is not None:
        return min(max(asked_seconds, 0.0), LONGEST_ASKED_SECONDS)
    ceiling = min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** min(attempts - 1, 10))
    return random.uniform(0.05, ceiling)  # noqa: S311 jitter is no secret
