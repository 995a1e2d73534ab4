"""How thorough a run is: quick in each run of the tests, whole when the fault table is written."""

import os
from dataclasses import dataclass

PHASE_SECONDS = float(os.environ.get("FAULT_SECONDS", "15"))

SOAK_SECONDS = float(os.environ.get("SOAK_SECONDS", "3600"))


@dataclass(frozen=True)
class Pace:
    """How long and how often.

    Attributes:
        is_whole: Whether figures are judged against a twin that is not attacked.
        phase_seconds: Length of each phase: before the fault, during it, after it.
        warm_up_seconds: Of load before anything counts.
    """

    is_whole: bool
    phase_seconds: float
    warm_up_seconds: float

    def times(self, quick, whole):
        """Return how often something is done."""
        return whole if self.is_whole else quick


QUICK = Pace(is_whole=False, phase_seconds=0.5, warm_up_seconds=0.1)
WHOLE = Pace(is_whole=True, phase_seconds=PHASE_SECONDS, warm_up_seconds=3.0)
