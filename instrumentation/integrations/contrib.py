"""OpenTelemetry's own instrumentations: each installed one is activated once its library is imported.

They use the global providers, so their spans join the trace and their metrics reach both exits. Where the kit has an
integration of its own, the kit's is used and theirs is not.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib import import_module
from itertools import takewhile
from operator import attrgetter
from typing import Any, Protocol

from instrumentation.guard import Guard
from instrumentation.installed import Distribution, EntryPoint, distributions, normalised

GROUP = "opentelemetry_instrumentor"
OURS = {
    "asgi": "asgi",
    "fastapi": "fastapi",
    "starlette": "starlette",
    "wsgi": "wsgi",
    "flask": "flask",
    "django": "django",
    "httpx": "httpx",
    "grpc_client": "grpc",
    "grpc_server": "grpc",
    "grpc_aio_client": "grpc",
    "grpc_aio_server": "grpc",
    "sqlalchemy": "sqlalchemy",
    "threading": "threading",
    "logging": "logging",
    "structlog": "structlog",
}
"""Name of an instrumentation, and the library as the kit names it."""
ALL = "*"

WhenImported = Callable[[str, Callable[[], None]], Callable[[], None]]


class Instrumentor(Protocol):
    """The part of BaseInstrumentor that is used."""

    @property
    def is_instrumented_by_opentelemetry(self) -> bool:
        """Whether somebody has activated it already."""
        ...

    def instrument(self, **kwargs: Any) -> object:
        """Patch the library."""
        ...

    def uninstrument(self, **kwargs: Any) -> object:
        """Give the library back as it was."""
        ...


class Contrib:
    """Activates instrumentations, and deactivates those that it has activated.

    Args:
        kit: Libraries that the kit instruments itself.
        disabled: Names that are left alone; `*`: all.
        guard: Told of one that fails; the others go on.
        warn: Takes a key and a message for people.
    """

    def __init__(
        self, kit: Iterable[str], disabled: Iterable[str], guard: Guard, warn: Callable[[str, str], None]
    ) -> None:
        self._kit = frozenset(kit)
        self._disabled = frozenset(normalised(name) for name in disabled)
        self._guard = guard
        self._warn = warn
        self._undos: list[Callable[[], None]] = []

    def install(self, when_imported: WhenImported) -> None:
        """Activate each instrumentation now if its library is imported, else as soon as it is."""
        if ALL in self._disabled:
            return
        installed = {each.name: each for each in distributions()}
        for announcing in installed.values():
            entry_points = announcing.entry_points(GROUP)
            for entry_point in entry_points:
                if self._is_wanted(normalised(entry_point.name)):
                    run = partial(self._activate, entry_point)
                    for module in _instrumented_modules(entry_point, installed, is_alone=len(entry_points) == 1):
                        self._undos.append(when_imported(module, run))

    def undo(self) -> None:
        """Deactivate what was activated."""
        while self._undos:
            self._undos.pop()()

    def _is_wanted(self, name: str) -> bool:
        return name not in self._disabled and OURS.get(name) not in self._kit

    def _activate(self, entry_point: EntryPoint) -> None:
        """Activate an instrumentation whose library has just been imported, if it is for this version of it."""
        try:
            conflict = _conflict(entry_point.distribution)
            if conflict is not None:
                text = f"instrumentation of {entry_point.name} is off: {conflict}"
                self._warn(f"contrib {entry_point.name}", text)
                return
            instrumentor = _instrumentor(entry_point.value)
            if instrumentor.is_instrumented_by_opentelemetry:
                return
            instrumentor.instrument(skip_dep_check=True)
            self._undos.append(partial(self._deactivate, entry_point.name, instrumentor))
        except Exception as error:
            self._failed(entry_point.name, error)

    def _deactivate(self, name: str, instrumentor: Instrumentor) -> None:
        try:
            if instrumentor.is_instrumented_by_opentelemetry:
                instrumentor.uninstrument()
        except Exception as error:
            self._failed(name, error)

    def _failed(self, name: str, error: Exception) -> None:
        self._warn(f"contrib {name}", f"instrumentation of {name} is off: {type(error).__name__}: {error}")
        self._guard.failures += 1


def _conflict(package: Distribution) -> object:
    """Return why an instrumentation does not go with the library that is installed; None if it does."""
    # Imported here: a service without contrib's instrumentations does not have the one, and neither is quick to import.
    from importlib import metadata  # noqa: PLC0415

    from opentelemetry.instrumentation import dependencies  # noqa: PLC0415

    return dependencies.get_dist_dependency_conflicts(metadata.distribution(package.name))


def _instrumentor(value: str) -> Instrumentor:
    """Import and make what an entry point names as `module:attribute`."""
    module, _, attribute = value.partition("[")[0].partition(":")
    return attrgetter(attribute.strip())(import_module(module.strip()))()


def _instrumented_modules(
    entry_point: EntryPoint, installed: Mapping[str, Distribution], *, is_alone: bool
) -> list[str]:
    """Return the modules that show that the library is used; none if it is not installed."""
    requirements = [line.partition(";") for line in entry_point.distribution.fields("Requires-Dist")]
    found = [_name(requirement) for requirement, _, marker in requirements if "instruments" in marker]
    if not is_alone:
        # One of several instrumentations of a package, such as httpx2 beside httpx, is for the library of its name.
        found = [library for library in found if normalised(library) == normalised(entry_point.name)] or found
    return [module for library in found for module in _top_level(installed.get(normalised(library)))]


def _name(requirement: str) -> str:
    """Return the name that a requirement begins with, such as `redis` of `redis>=2.6`."""
    return "".join(takewhile(lambda character: character.isalnum() or character in "-_.", requirement.strip()))


def _top_level(found: Distribution | None) -> list[str]:
    """Return the packages that a distribution brings; none if it is not installed."""
    names = set(found.packages()) if found else set[str]()
    return sorted(name for name in names if name.isidentifier() and not name.startswith("_"))
