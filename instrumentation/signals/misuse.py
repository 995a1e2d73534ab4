"""Take what a service hands to OpenTelemetry's API by mistake: nothing of it raises into the service."""

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeGuard, TypeVar, cast

from instrumentation.encode.otlp import as_text
from instrumentation.guard import Guard

P = ParamSpec("P")


class _Settings(Protocol):
    @property
    def guard(self) -> Guard: ...


class _Guarded(Protocol):
    @property
    def settings(self) -> _Settings: ...


GuardedT = TypeVar("GuardedT", bound=_Guarded)


def guarded(method: Callable[Concatenate[GuardedT, P], None]) -> Callable[Concatenate[GuardedT, P], None]:
    """Let a method that fails do nothing, and tell the guard; under test it raises."""

    @functools.wraps(method)
    def run(owner: GuardedT, /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(owner, *args, **kwargs)
        except Exception as error:
            owner.settings.guard.caught(method.__qualname__, error)

    return run


def text(value: object) -> str:
    """Return a text itself, and any other object's."""
    return cast("str", value) if value.__class__ is str else as_text(value)


def is_time(value: object) -> TypeGuard[int]:
    """Tell whether a value is a Unix time in nanoseconds that can be sent."""
    return isinstance(value, int) and 0 <= value < 1 << 64
