"""Tell when records begin to be lost, and when that has ended."""

from instrumentation.diagnostics import Diagnostics
from instrumentation.pipeline.ledger import Account


class LossWatch:
    """One line when a signal starts to lose records and one when it has stopped."""

    def __init__(self, signal: str, account: Account, diagnostics: Diagnostics) -> None:
        self._signal = signal
        self._account = account
        self._diagnostics = diagnostics
        self._seen = account.lost()
        self._delivered = 0
        self._lost_before: int | None = None

    def look(self) -> None:
        """Compare with the last look. Loss has ended when something was delivered and nothing more was lost."""
        lost, delivered = self._account.lost(), self._account.delivered
        more = lost - self._seen
        if more > 0 and self._lost_before is None:
            self._lost_before = self._seen
            self._diagnostics.always(f"{self._signal}: records are being lost ({self._reasons()})")
        elif more <= 0 and delivered > self._delivered and self._lost_before is not None:
            self._diagnostics.always(f"{self._signal}: no more records are lost; lost {lost - self._lost_before}")
            self._lost_before = None
        self._seen, self._delivered = lost, delivered

    def _reasons(self) -> str:
        dropped = self._account.books().dropped
        return ", ".join(f"{reason} {count}" for reason, count in dropped.items() if count and reason != "fork")
