"""purgatory: a listener tells of each change; a call to an open breaker is told as refused."""

from collections.abc import Generator
from contextlib import contextmanager

from purgatory.domain.messages.events import ContextChanged
from purgatory.domain.model import OpenedState

from instrumentation.patterns.breaker import Breaker, BreakerState

_STATES: dict[str, BreakerState] = {"closed": "closed", "opened": "open", "half-opened": "half_open"}


class Observer:
    """Tells what happens to the breakers of one factory: `factory.add_listener(Observer())`."""

    def __init__(self) -> None:
        self._breakers: dict[str, Breaker] = {}

    def __call__(self, name: str, kind: str, event: object) -> None:
        """Hear of an event."""
        breaker = self._breaker(name)
        if isinstance(event, ContextChanged):
            breaker.changed(_STATES[event.state])

    @contextmanager
    def calling(self, name: str) -> Generator[None]:
        """Tell whether the call inside was refused, which no listener hears of."""
        try:
            yield
        except OpenedState:
            self._breaker(name).rejected()
            raise

    def _breaker(self, name: str) -> Breaker:
        if name not in self._breakers:
            self._breakers[name] = Breaker(name)
        return self._breakers[name]
