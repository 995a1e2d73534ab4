"""Canaries: a new version is tried on a part of the calls, and judged."""

from typing import Literal

from instrumentation import semconv
from instrumentation.patterns.instrument import counter

CanaryVerdict = Literal["promote", "rollback"]


class Canary:
    """Canaries of one service, told by whoever shares its calls out.

    Args:
        service: Its name.
    """

    def __init__(self, service: str) -> None:
        self._labels = {semconv.TARGET_SERVICE: service}
        self._verdicts = counter(semconv.CANARY_VERDICTS, "{verdict}", "Versions that were judged, by verdict.")

    def judged(self, version: str, verdict: CanaryVerdict, reason: str) -> None:
        """Tell how a version was judged, and why: one of few words, such as `failures`."""
        labels = {semconv.TARGET_VERSION: version, semconv.CANARY_VERDICT: verdict, semconv.CANARY_REASON: reason}
        self._verdicts.add(1, {**self._labels, **labels})
