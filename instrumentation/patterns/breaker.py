"""Circuit breakers: calls to a dependency that fails are refused for a while, so that it can recover."""

from collections.abc import Iterable
from typing import Literal

from opentelemetry import trace
from opentelemetry.metrics import CallbackOptions, Observation

from instrumentation import semconv
from instrumentation.patterns.instrument import counter, meter

BreakerState = Literal["closed", "open", "half_open"]
STATES: tuple[BreakerState, ...] = ("closed", "open", "half_open")


class Breaker:
    """One breaker, which is closed at first.

    Args:
        name: Of what it protects, such as the service behind it.
    """

    def __init__(self, name: str) -> None:
        self._labels = {semconv.BREAKER_NAME: name}
        self._state: BreakerState = "closed"
        description = "1 for the state a breaker is in, else 0."
        # Observed, not set: a breaker is often made before the kit is, and may stay closed for ever.
        meter().create_observable_gauge(semconv.BREAKER_STATE, [self._observed], "1", description)
        self._transitions = counter(semconv.BREAKER_TRANSITIONS, "{transition}", "Changes of state, by the new one.")
        self._rejected = counter(semconv.BREAKER_REJECTED, "{call}", "Calls that were refused without being made.")
        self._fallbacks = counter(semconv.BREAKER_FALLBACKS, "{call}", "Calls that were answered from elsewhere.")

    def changed(self, state: BreakerState) -> None:
        """Tell the state it is in now: a change is an event of the current span."""
        if state == self._state:
            return
        before, self._state = self._state, state
        self._transitions.add(1, {**self._labels, semconv.BREAKER_STATE: state})
        event = {**self._labels, semconv.BREAKER_STATE: state, semconv.BREAKER_PREVIOUS_STATE: before}
        trace.get_current_span().add_event(semconv.BREAKER_TRANSITION_EVENT, event)

    def rejected(self) -> None:
        """Tell that a call was refused."""
        self._rejected.add(1, self._labels)
        trace.get_current_span().add_event(semconv.BREAKER_REJECTED_EVENT, self._labels)

    def fell_back(self, to: str) -> None:
        """Tell what answered instead; few values, such as `catalogue`."""
        labels = {**self._labels, semconv.BREAKER_FALLBACK: to}
        self._fallbacks.add(1, labels)
        trace.get_current_span().set_attributes(labels)

    def _observed(self, _options: CallbackOptions) -> Iterable[Observation]:
        for state in STATES:
            yield Observation(int(state == self._state), {**self._labels, semconv.BREAKER_STATE: state})
