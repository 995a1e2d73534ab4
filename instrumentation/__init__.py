"""Wire logs, metrics and traces of a Python service with one call: `instrument(app)`."""

from instrumentation._api import get_logger, span
from instrumentation._setup import Telemetry, instrument
from instrumentation.business import BusinessMetrics
from instrumentation.settings import Settings

__all__ = ["BusinessMetrics", "Settings", "Telemetry", "get_logger", "instrument", "span"]
