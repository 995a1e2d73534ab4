"""The libraries that the kit instruments itself."""

import importlib
from collections.abc import Callable, Iterable
from functools import partial
from importlib.util import find_spec

from instrumentation.importing import when_imported
from instrumentation.installed import normalised
from instrumentation.integrations.contrib import ALL, OURS
from instrumentation.signals.signals import Signals

INTEGRATIONS = {
    "logging": "instrumentation.integrations.logging",
    "structlog": "instrumentation.integrations.structlog",
    "httpx": "instrumentation.integrations.httpx",
    "grpc": "instrumentation.integrations.grpc",
    "faststream": "instrumentation.integrations.faststream",
    "sqlalchemy": "instrumentation.integrations.sqlalchemy",
    "threading": "instrumentation.integrations.threads",
    "anyio": "instrumentation.integrations.anyio",
    "stamina": "instrumentation.integrations.stamina",
}
"""Library, and the module whose `install(signals)` instruments it once the library is imported."""

SERVED = ("asgi", "starlette", "fastapi", "wsgi", "flask", "django")
"""Frameworks that the kit observes from the outside, by wrapping the application."""

CARRYING = ("httpx", "grpc", "faststream", "threading")
"""Those that carry context between processes or threads, which they do with the SDK disabled too."""


def install(libraries: Iterable[str], signals: Signals, undos: list[Callable[[], None]]) -> None:
    """Instrument each library now if it is imported, else as soon as it is; one that was switched off never.

    Args:
        libraries: Keys of INTEGRATIONS.
        signals: Where records go.
        undos: What undoes it is appended here, then and later.
    """
    disabled = {normalised(name) for name in signals.settings.disabled_instrumentations}
    for library in libraries:
        if find_spec(library) is not None and not disabled & {library, ALL, *_names_of(library)}:
            undos.append(when_imported(library, partial(_install, library, signals, undos)))


def _install(library: str, signals: Signals, undos: list[Callable[[], None]]) -> None:
    try:
        undos.append(importlib.import_module(INTEGRATIONS[library]).install(signals))
    except Exception as error:
        signals.guard.caught(f"integration of {library}", error)


def _names_of(library: str) -> set[str]:
    return {name for name, ours in OURS.items() if ours == library}
