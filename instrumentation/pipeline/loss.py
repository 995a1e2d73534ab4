"""Tell when records begin to be lost, and when that has ended."""

import time
from collections.abc import Callable
from math import inf

from instrumentation.diagnostics import REPEAT_SECONDS, Diagnostics
from instrumentation.pipeline.ledger import Account

QUIET_SECONDS = 5.0
"""Loss that comes again within this time never ended: at a full queue each delivery makes room for a moment."""


class LossWatch:
    """One line when a signal starts to lose records and one when it has stopped; of each at most one a minute."""

    def __init__(
        self, signal: str, account: Account, diagnostics: Diagnostics, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._signal = signal
        self._account = account
        self._diagnostics = diagnostics
        self._clock = clock
        self._seen = account.lost()
        self._told = self._seen
        self._is_told = False
        self._told_at = self._lost_at = -inf
        self._delivered = 0

    def look(self) -> None:
        """Compare with the last look. Loss has ended when since then something was delivered and nothing lost."""
        lost, now = self._account.lost(), self._clock()
        if lost > self._seen:
            self._lost_at, self._delivered = now, self._account.delivered
            if not self._is_told and now - self._told_at >= REPEAT_SECONDS:
                self._begun(now)
        elif self._is_told and now - self._lost_at >= QUIET_SECONDS and self._account.delivered > self._delivered:
            self._is_told = False
            self._diagnostics.always(f"{self._signal}: no more records are lost; lost {lost - self._told}")
            self._told = lost
        self._seen = lost

    def _begun(self, now: float) -> None:
        self._is_told, self._told_at = True, now
        self._diagnostics.always(f"{self._signal}: records are being lost ({self._reasons()})")

    def _reasons(self) -> str:
        dropped = self._account.books().dropped
        return ", ".join(f"{reason} {count}" for reason, count in dropped.items() if count and reason != "fork")
