"""Targets: the replicas behind a name, as whoever calls them sees them."""

from instrumentation import semconv
from instrumentation.patterns.instrument import counter, meter


class Targets:
    """Replicas of one service.

    Args:
        service: Its name.
    """

    def __init__(self, service: str) -> None:
        self._labels = {semconv.TARGET_SERVICE: service}
        self._known = meter().create_gauge(semconv.TARGET_KNOWN, "{target}", "Replicas that discovery tells of.")
        self._picked = counter(semconv.TARGET_PICKED, "{call}", "Calls by the replica that was chosen.")

    def known(self, count: int) -> None:
        """Tell how many replicas there are now."""
        self._known.set(count, self._labels)

    def picked(self, address: str) -> None:
        """Tell which replica gets a call; the calls' own spans and metrics carry its address too."""
        self._picked.add(1, {**self._labels, semconv.TARGET_ADDRESS: address})
