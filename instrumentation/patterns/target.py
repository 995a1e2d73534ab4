"""Targets: the replicas behind a name, and their versions, as whoever calls them sees them."""

from collections.abc import Mapping

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
        self._shares: Mapping[str, float] = {}
        self._weight = meter().create_gauge(semconv.TARGET_WEIGHT, "1", "Share of the calls that a version is to get.")
        self._calls = meter().create_histogram(
            semconv.TARGET_CALL_DURATION,
            "s",
            "Duration of calls by the version that was chosen, as their caller sees it.",
            explicit_bucket_boundaries_advisory=semconv.DURATION_BOUNDARIES_SECONDS,
        )
        self._picked = counter(semconv.TARGET_PICKED, "{call}", "Calls by the replica that was chosen.")

    def known(self, count: int) -> None:
        """Tell how many replicas there are now."""
        self._known.set(count, self._labels)

    def picked(self, address: str) -> None:
        """Tell which replica gets a call; the calls' own spans and metrics carry its address too."""
        self._picked.add(1, {**self._labels, semconv.TARGET_ADDRESS: address})

    def weighed(self, shares: Mapping[str, float]) -> None:
        """Tell the share of the calls, from 0 to 1, that each version is to get now; one that is left out has none."""
        for version in self._shares.keys() | shares:
            self._weight.set(shares.get(version, 0.0), {**self._labels, semconv.TARGET_VERSION: version})
        self._shares = shares

    def called(self, version: str, duration_seconds: float, error: str = "") -> None:
        """Tell that a call ended.

        Args:
            version: `service.version` of the replica that was chosen; empty if it is not known.
            duration_seconds: From the choice to the answer.
            error: Why the replica failed, such as a status code's name; empty if it did not, also where it refused
                what was asked.
        """
        labels = {**self._labels, semconv.TARGET_VERSION: version, semconv.ERROR_TYPE: error}
        self._calls.record(duration_seconds, {name: value for name, value in labels.items() if value})
