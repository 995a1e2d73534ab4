"""The probe with all that files in its directory switch on: slow names, a jumping clock, a thread that hogs.

One service, so that quick runs of many rows can share it. The clock and the resolver are put in place before the kit
is imported.
"""

from harness import hog, jumping_clock, slow_names
from harness.probe import app

__all__ = ["app", "hog", "jumping_clock", "slow_names"]
