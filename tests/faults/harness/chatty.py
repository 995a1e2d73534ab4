"""The probe in a process where everything logs: root logger at DEBUG, warnings, the collector; configured anew."""

import gc
import logging
import logging.config
import threading
import warnings

logging.basicConfig(level=logging.DEBUG)
logging.captureWarnings(True)

from harness.switched import app  # noqa: E402 after what a service configured

__all__ = ["app"]

CONFIGURE_SECONDS = 0.05
CONFIGURATION = {"version": 1, "disable_existing_loggers": False, "root": {"level": "DEBUG"}}


def tell(phase, _details):
    """Log from within the garbage collector, in whatever thread it runs, and warn too."""
    logging.getLogger("garbage").debug("garbage collection: %s", phase)
    warnings.warn("collected", ResourceWarning, stacklevel=1)


def reconfigure():
    """Configure logging again and again, while records are sent."""
    while True:
        logging.config.dictConfig(CONFIGURATION)
        gc.collect(0)
        threading.Event().wait(CONFIGURE_SECONDS)


gc.callbacks.append(tell)
threading.Thread(target=reconfigure, daemon=True).start()
