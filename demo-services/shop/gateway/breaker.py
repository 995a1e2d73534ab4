"""Circuit breaker: what fails again and again is left alone for a while, and whoever needs it is told at once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from instrumentation.patterns import Breaker as BreakerTelemetry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")
FAILURES = 5
OPEN_SECONDS = 2.0


class OpenError(Exception):
    """The call was not made: the breaker is open."""


class Breaker:
    """Closed: calls go through. Open, after so many failures in a row: none does. Half open: one does, to see.

    Args:
        name: Of what is called.
        is_failure: Whether what a call raised says that the other side is in trouble.
        failures: So many in a row open it.
        open_seconds: How long it stays open until it tries one call.
        clock: In seconds.
    """

    def __init__(
        self,
        name: str,
        is_failure: Callable[[Exception], bool],
        failures: int = FAILURES,
        open_seconds: float = OPEN_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.telemetry = BreakerTelemetry(name)
        self._name = name
        self._is_failure = is_failure
        self._most_failures = failures
        self._open_seconds = open_seconds
        self._clock = clock
        self._failures = 0
        self._opened_at: float | None = None
        self._is_probed = False

    async def call(self, make: Callable[[], Awaitable[T]]) -> T:
        """Make a call and learn from how it ends.

        Raises:
            OpenError: it was not made.
        """
        probe = self._admit()
        try:
            result = await make()
        except Exception as error:
            if self._is_failure(error):
                self._failed()
            else:
                self._succeeded()
            raise
        else:
            self._succeeded()
            return result
        finally:
            if probe:  # also where it was cancelled: the next one tries
                self._is_probed = False

    def _admit(self) -> bool:
        """Let a call through, or raise; return whether it is the one that tries."""
        if self._opened_at is None:
            return False
        if self._is_probed or self._clock() < self._opened_at + self._open_seconds:
            self.telemetry.rejected()
            raise OpenError(f"{self._name} fails and is left alone")
        self._is_probed = True
        self.telemetry.changed("half_open")
        return True

    def _failed(self) -> None:
        self._failures += 1
        if self._opened_at is not None or self._failures >= self._most_failures:
            self._opened_at = self._clock()
            self.telemetry.changed("open")

    def _succeeded(self) -> None:
        self._failures = 0
        self._opened_at = None
        self.telemetry.changed("closed")
