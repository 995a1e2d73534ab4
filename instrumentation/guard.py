"""Keep the kit's own failures out of the service: after set-up no exception leaves the kit."""

import os

from instrumentation.diagnostics import Diagnostics


class Guard:
    """Counts failures of the kit and tells of them on stderr, at most once a minute for each place.

    Args:
        diagnostics: Where failures are told; None: nowhere.
        strict: Raise them again, so that a test sees them; by default while pytest runs a test.

    Attributes:
        failures: How many there were.
    """

    __slots__ = ("_diagnostics", "failures", "strict")

    def __init__(self, diagnostics: Diagnostics | None = None, *, strict: bool | None = None) -> None:
        self._diagnostics = diagnostics
        self.strict = "PYTEST_CURRENT_TEST" in os.environ if strict is None else strict
        self.failures = 0

    def caught(self, place: str, error: Exception) -> None:
        """Count a failure. Call it in an `except` block.

        Raises:
            Exception: `error`, under test alone.
        """
        self.failures += 1
        if self._diagnostics is not None:
            self._diagnostics.line(place, f"internal error in {place}: {type(error).__name__}: {error}", "error")
        if self.strict:
            raise error
