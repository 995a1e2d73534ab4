"""OpenTelemetry's own instrumentations: each installed one is activated once its library is imported.

They use the global providers, so their spans join the trace and their metrics reach both exits. Where the kit has an
integration of its own, the kit's is used and theirs is not.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib.metadata import Distribution, EntryPoint, PackageNotFoundError, distribution, entry_points
from typing import Any, Protocol

from instrumentation.guard import Guard

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
        for entry_point in _distinct(entry_points(group=GROUP)):
            if not self._is_wanted(normalised(entry_point.name)):
                continue
            try:
                wanted = list(self._modules(entry_point))
            except Exception as error:
                self._failed(entry_point.name, error)
                continue
            for module, run in wanted:
                self._undos.append(when_imported(module, run))

    def undo(self) -> None:
        """Deactivate what was activated."""
        while self._undos:
            self._undos.pop()()

    def _is_wanted(self, name: str) -> bool:
        return name not in self._disabled and OURS.get(name) not in self._kit

    def _modules(self, entry_point: EntryPoint) -> Iterator[tuple[str, Callable[[], None]]]:
        """Yield the modules that show that the library is used, and what is to be done then; none if it is missing."""
        # Imported here: it belongs to the instrumentations, and a service without any does not have it.
        from opentelemetry.instrumentation import dependencies  # noqa: PLC0415

        if entry_point.dist is None:
            return
        conflict = dependencies.get_dist_dependency_conflicts(entry_point.dist)
        run = partial(self._activate, entry_point) if conflict is None else partial(self._skip, entry_point, conflict)
        for module in _instrumented_modules(entry_point.dist, entry_point.name):
            yield module, run

    def _skip(self, entry_point: EntryPoint, conflict: object) -> None:
        self._warn(f"contrib {entry_point.name}", f"instrumentation of {entry_point.name} is off: {conflict}")

    def _activate(self, entry_point: EntryPoint) -> None:
        try:
            instrumentor: Instrumentor = entry_point.load()()
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


def normalised(name: str) -> str:
    """Return a name as it is compared: in lower case, with underscores."""
    return name.strip().lower().replace("-", "_")


def _distinct(found: Iterable[EntryPoint]) -> Iterable[EntryPoint]:
    """Leave out doubles: an editable installation may be listed twice."""
    return {(entry_point.name, entry_point.value): entry_point for entry_point in found}.values()


def _instrumented_modules(package: Distribution, name: str) -> Iterator[str]:
    from packaging.requirements import Requirement  # noqa: PLC0415  # as above

    requirements = [Requirement(line) for line in package.requires or ()]
    found = [each.name for each in requirements if each.marker is not None and "instruments" in str(each.marker)]
    if len(package.entry_points.select(group=GROUP)) > 1:
        # One of several instrumentations of a package, such as httpx2 beside httpx, is for the library of its name.
        found = [library for library in found if normalised(library) == normalised(name)] or found
    for library in found:
        yield from _top_level(library)


def _top_level(name: str) -> Iterator[str]:
    """Return the packages that a distribution brings; none if it is not installed."""
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return
    listed = found.read_text("top_level.txt")
    if listed:
        names = set(listed.split())
    else:
        names = {file.parts[0].removesuffix(".py") for file in found.files or () if file.suffix == ".py"}
    yield from sorted(name for name in names if name.isidentifier() and not name.startswith("_"))
