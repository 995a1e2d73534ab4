"""The scenarios on the admin door: `GET /scenarios`, `PUT` and `DELETE /scenarios/NAME`."""

from __future__ import annotations

from contextlib import ExitStack
from threading import Lock
from typing import TYPE_CHECKING, Any

from shop.scenarios.stage import StageError
from shop.scenarios.table import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from shop.scenarios.stage import Stage


class Scenarios:
    """The scenarios of one running shop; leaving the context ends those that are on."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._running: dict[str, ExitStack] = {}
        self._lock = Lock()

    def __enter__(self) -> Scenarios:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for name in tuple(self._running):
            self.remove(name)

    def read(self) -> dict[str, bool]:
        """Return every scenario and whether it is on."""
        return {name: name in self._running for name in SCENARIOS}

    def put(self, name: str, value: Mapping[str, Any]) -> None:
        """Begin a scenario; returns when its fault is there. One that is on stays as it is.

        Raises:
            KeyError: no such scenario.
            ValueError: it takes no parameters, or a process refused its fault.
        """
        scenario = SCENARIOS[name]
        if value:
            raise ValueError("a scenario has no parameters")
        with self._lock:
            if name in self._running:
                return
            try:
                with ExitStack() as begun:
                    begun.enter_context(scenario.fault(self._stage))
                    self._running[name] = begun.pop_all()
            except StageError as error:
                raise ValueError(str(error)) from None

    def remove(self, name: str) -> None:
        """End a scenario; returns when what it stopped is back.

        Raises:
            KeyError: no such scenario.
        """
        if name not in SCENARIOS:
            raise KeyError(name)
        with self._lock:
            running = self._running.pop(name, None)
            if running is not None:
                running.close()
