"""Wire logs, metrics and traces of a Python service with one call: `instrument(app)`."""

import gc
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from instrumentation._logger import get_logger
    from instrumentation._setup import Telemetry, instrument
    from instrumentation._span import span
    from instrumentation.business import BusinessMetrics
    from instrumentation.settings import Settings

__all__ = ["BusinessMetrics", "Settings", "Telemetry", "get_logger", "instrument", "span"]

_MODULES = {
    "BusinessMetrics": "instrumentation.business",
    "Settings": "instrumentation.settings",
    "Telemetry": "instrumentation._setup",
    "get_logger": "instrumentation._logger",
    "instrument": "instrumentation._setup",
    "span": "instrumentation._span",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for: pytest loads a module of this package in every run."""
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found = getattr(_imported(module), name)
    return found


def _imported(module: str) -> ModuleType:
    """Import a module while the garbage collector rests: what is imported stays, yet it looks at it again and again.

    A tenth of the CPU; more in a service that has grown before.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        return import_module(module)
    finally:
        if was_on:
            gc.enable()
