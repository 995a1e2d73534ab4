"""Sagas: local transactions in several services, each undone if a later one fails."""

from collections.abc import Iterable, Mapping
from typing import Literal

from opentelemetry import trace

from instrumentation import semconv
from instrumentation.patterns.instrument import counter, meter

SagaOutcome = Literal["completed", "compensated", "rejected"]
"""How a saga ended: all steps done; some done and then undone; or nothing was ever done."""


class Saga:
    """Sagas of one kind.

    Args:
        name: Of the kind.
        states: All states a saga can be in before its end.
    """

    def __init__(self, name: str, states: Iterable[str]) -> None:
        self._labels = {semconv.SAGA_NAME: name}
        self._states = tuple(states)
        make = meter()
        self._started = counter(semconv.SAGA_STARTED, "{saga}", "Sagas started.")
        self._ended = counter(semconv.SAGA_ENDED, "{saga}", "Sagas that came to their end, by outcome.")
        self._active = make.create_gauge(semconv.SAGA_ACTIVE, "{saga}", "Sagas under way, by state.")
        self._oldest = make.create_gauge(semconv.SAGA_OLDEST_AGE, "s", "Age of the oldest saga under way.")
        self._lag = make.create_histogram(
            semconv.CONSISTENCY_LAG,
            "s",
            "Time from the acceptance of a saga to its end, when all parties agree.",
            explicit_bucket_boundaries_advisory=semconv.AGE_BOUNDARIES_SECONDS,
        )

    def started(self, saga_id: str) -> None:
        """Tell that a saga was stored."""
        self._started.add(1, self._labels)
        self._mark(saga_id)

    def stepped(self, saga_id: str, steps: Iterable[str], state: str) -> None:
        """Tell which steps a saga took, and the state it is in now: each is an event of the current span."""
        span = self._mark(saga_id)
        span.set_attribute(semconv.SAGA_STATE, state)
        for step in steps:
            span.add_event(semconv.SAGA_STEP_EVENT, {**self._labels, semconv.SAGA_ID: saga_id, semconv.SAGA_STEP: step})

    def ended(self, saga_id: str, outcome: SagaOutcome, lag_seconds: float) -> None:
        """Tell how a saga ended, and how long after its acceptance."""
        labels = {**self._labels, semconv.SAGA_OUTCOME: outcome}
        self._ended.add(1, labels)
        self._lag.record(max(0.0, lag_seconds), labels)
        self._mark(saga_id).set_attribute(semconv.SAGA_OUTCOME, outcome)

    def under_way(self, count_by_state: Mapping[str, int], oldest_age_seconds: float) -> None:
        """Tell how many sagas are in each state; one that is left out has none."""
        for state in self._states:
            self._active.set(count_by_state.get(state, 0), {**self._labels, semconv.SAGA_STATE: state})
        self._oldest.set(oldest_age_seconds, self._labels)

    def _mark(self, saga_id: str) -> trace.Span:
        span = trace.get_current_span()
        span.set_attributes({**self._labels, semconv.SAGA_ID: saga_id})
        return span
