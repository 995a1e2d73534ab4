"""Retry: a call that failed for a reason that may pass is made again, within bounds for all calls together."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import TYPE_CHECKING, TypeVar

from instrumentation.patterns import Retry as RetryTelemetry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from instrumentation.patterns import RetryOutcome

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Policy:
    """How often and when.

    Attributes:
        attempts: Most of one call, the first included.
        first_delay_seconds: Most that is waited before the second attempt; it doubles with each.
        last_delay_seconds: Most that is waited ever.
        budget: Retries for each call, on average: so many may be made for all calls together.
        saved: Most retries that quiet times save up.
    """

    attempts: int = 4
    first_delay_seconds: float = 0.05
    last_delay_seconds: float = 1.0
    budget: float = 0.2
    saved: float = 20.0


class Retry:
    """Calls of one kind. In an outage of all they reach they are made at most 1 + `budget` times on average.

    Args:
        name: Of the kind.
        is_transient: Whether what an attempt raised may pass; what was attempted must be safe to do twice.
        policy: The bounds; may be changed while calls are made.
        random: Draws the delays: of the whole range, so that those who failed together do not come back together.
    """

    def __init__(
        self,
        name: str,
        is_transient: Callable[[Exception], bool],
        policy: Policy = Policy(),
        random: Random | None = None,
    ) -> None:
        self._is_transient = is_transient
        self.policy = policy
        self._random = random or Random()  # noqa: S311 - spread, not secrecy
        self._left = 0.0
        self._telemetry = RetryTelemetry(name)

    async def call(self, attempt: Callable[[float], Awaitable[T]], timeout_seconds: float) -> T:
        """Return what an attempt returns; raise what the last one raised.

        Args:
            attempt: Is given the seconds that are left: to pass them on is up to it.
            timeout_seconds: For all attempts and pauses together.
        """
        now = asyncio.get_running_loop().time
        deadline = now() + timeout_seconds
        self._save()
        for resends in count():
            try:
                with self._telemetry.attempt(resends):
                    result = await attempt(deadline - now())
            except Exception as error:
                delay_seconds = self._delay_seconds(resends)
                end = self._end(error, resends, deadline - now() - delay_seconds)
                if end is not None:
                    self._telemetry.ended(end)
                    raise
                self._telemetry.waits(resends + 1, delay_seconds, error)
                await asyncio.sleep(delay_seconds)
            else:
                self._telemetry.ended("succeeded")
                return result
        raise AssertionError("count() has no end")

    def _save(self) -> None:
        self._left = min(self.policy.saved, self._left + self.policy.budget)
        self._telemetry.budget(self._left)

    def _delay_seconds(self, resends: int) -> float:
        most = min(self.policy.last_delay_seconds, self.policy.first_delay_seconds * 2**resends)
        return self._random.uniform(0, most)

    def _end(self, error: Exception, resends: int, seconds_left: float) -> RetryOutcome | None:
        """Tell why there is no further attempt; None if there is, which is then paid for."""
        if not self._is_transient(error):
            return "permanent"
        if resends + 1 >= self.policy.attempts:
            return "attempts"
        if seconds_left <= 0:
            return "deadline"
        if self._left < 1:
            return "budget"
        self._left -= 1
        return None
