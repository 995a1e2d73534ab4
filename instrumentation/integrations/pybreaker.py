"""pybreaker: a listener tells of each change, and a call to an open breaker is told as refused."""

from collections.abc import Generator
from contextlib import contextmanager

from pybreaker import CircuitBreaker, CircuitBreakerError, CircuitBreakerListener, CircuitBreakerState
from typing_extensions import override

from instrumentation.patterns.breaker import Breaker, BreakerState

_STATES: dict[str, BreakerState] = {"closed": "closed", "open": "open", "half-open": "half_open"}


class Observer(CircuitBreakerListener):
    """Tells what happens to one breaker: `CircuitBreaker(listeners=[Observer("stock")])`.

    Args:
        name: Of what it protects.
    """

    def __init__(self, name: str) -> None:
        self.telemetry = Breaker(name)

    @override
    def state_change(
        self, cb: CircuitBreaker, old_state: CircuitBreakerState | None, new_state: CircuitBreakerState
    ) -> None:
        """Tell the new state."""
        self.telemetry.changed(_STATES[new_state.name])

    @contextmanager
    def calling(self) -> Generator[None]:
        """Tell whether the call inside was refused, which no listener hears of."""
        try:
            yield
        except CircuitBreakerError:
            self.telemetry.rejected()
            raise
