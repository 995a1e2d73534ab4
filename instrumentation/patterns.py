"""Reliability patterns as telemetry: saga, outbox, inbox, idempotency key, dead letters.

One object per pattern and place, told what happened by whoever implements the pattern, whatever its library. Each
counts, and marks the current span: so a trace shows the steps and a metric their outcomes. No conventions exist for
these; the names are in semconv.py. Every name given here is a label: keep them few.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

from opentelemetry import metrics, trace

from instrumentation import semconv

SCOPE_NAME = "instrumentation.patterns"

SagaOutcome = Literal["completed", "compensated", "rejected"]
"""How a saga ended: all steps done; some done and then undone; or nothing was ever done."""


def _counter(name: str, unit: str, description: str) -> metrics.Counter:
    return metrics.get_meter(SCOPE_NAME).create_counter(name, unit, description)


class Saga:
    """Sagas of one kind.

    Args:
        name: Of the kind.
        states: All states a saga can be in before its end.
    """

    def __init__(self, name: str, states: Iterable[str]) -> None:
        self._labels = {semconv.SAGA_NAME: name}
        self._states = tuple(states)
        meter = metrics.get_meter(SCOPE_NAME)
        self._started = _counter(semconv.SAGA_STARTED, "{saga}", "Sagas started.")
        self._ended = _counter(semconv.SAGA_ENDED, "{saga}", "Sagas that came to their end, by outcome.")
        self._active = meter.create_gauge(semconv.SAGA_ACTIVE, "{saga}", "Sagas under way, by state.")
        self._oldest = meter.create_gauge(semconv.SAGA_OLDEST_AGE, "s", "Age of the oldest saga under way.")
        self._lag = meter.create_histogram(
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


class Outbox:
    """The outbox of one service."""

    def __init__(self) -> None:
        meter = metrics.get_meter(SCOPE_NAME)
        self._depth = meter.create_gauge(semconv.OUTBOX_DEPTH, "{message}", "Messages stored and not yet published.")
        self._oldest = meter.create_gauge(semconv.OUTBOX_OLDEST_AGE, "s", "Age of the oldest of them.")
        self._stored = _counter(semconv.OUTBOX_STORED, "{message}", "Messages stored with their transaction.")
        self._published = _counter(semconv.OUTBOX_PUBLISHED, "{message}", "Messages published and marked so.")
        self._failures = _counter(semconv.OUTBOX_FAILURES, "{attempt}", "Attempts to publish that failed.")
        self._delay = meter.create_histogram(
            semconv.OUTBOX_DELAY,
            "s",
            "Time from the storing of a message to its publishing.",
            explicit_bucket_boundaries_advisory=semconv.AGE_BOUNDARIES_SECONDS,
        )

    def waiting(self, depth: int, oldest_age_seconds: float) -> None:
        """Tell how many messages wait, and how long the oldest has."""
        self._depth.set(depth)
        self._oldest.set(oldest_age_seconds)

    def stored(self) -> None:
        """Tell that a message was put in."""
        self._stored.add(1)

    def published(self, delay_seconds: float) -> None:
        """Tell that the broker has a message, and how long after it was stored."""
        self._delay.record(max(0.0, delay_seconds))

    def marked(self, count: int) -> None:
        """Tell that messages are marked as published, so that they are not published again."""
        self._published.add(count)

    def failed(self) -> None:
        """Tell that the broker did not take a message."""
        self._failures.add(1)


class Inbox:
    """The inbox of one service."""

    def __init__(self) -> None:
        self._messages = _counter(semconv.INBOX_MESSAGES, "{message}", "Messages received, by outcome.")

    def admitted(self) -> None:
        """Tell that a message is new."""
        self._messages.add(1, {semconv.INBOX_OUTCOME: "admitted"})

    def duplicate(self) -> None:
        """Tell that a message was handled before and has no effect now."""
        self._messages.add(1, {semconv.INBOX_OUTCOME: "duplicate"})
        trace.get_current_span().set_attribute(semconv.INBOX_OUTCOME, "duplicate")


class Idempotency:
    """Requests with an idempotency key.

    Args:
        operation: What the keys are for, such as `place_order`.
    """

    def __init__(self, operation: str) -> None:
        self._operation = operation
        self._requests = _counter(semconv.IDEMPOTENCY_REQUESTS, "{request}", "Requests with a key, by outcome.")

    def first(self) -> None:
        """Tell that the key is new."""
        self._tell("first")

    def replayed(self) -> None:
        """Tell that the key is known and the first answer is given again."""
        self._tell("replayed")

    def conflict(self) -> None:
        """Tell that the key is known for another request, which is refused."""
        self._tell("conflict")

    def _tell(self, outcome: str) -> None:
        labels = {semconv.IDEMPOTENCY_OPERATION: self._operation, semconv.IDEMPOTENCY_OUTCOME: outcome}
        self._requests.add(1, labels)
        trace.get_current_span().set_attributes(labels)


class DeadLetters:
    """Messages given up by one service."""

    def __init__(self) -> None:
        self._messages = _counter(semconv.DEAD_LETTERS, "{message}", "Messages given up and put aside.")

    def put_aside(self, destination: str, deliveries: int) -> None:
        """Tell that a message of a destination was given up after so many deliveries."""
        self._messages.add(1, {semconv.MESSAGING_DESTINATION_NAME: destination})
        labels = {semconv.DEAD_LETTER: True, semconv.MESSAGING_MESSAGE_DELIVERY_COUNT: deliveries}
        trace.get_current_span().set_attributes(labels)


class Backlog:
    """What the broker holds for consumers, told by who publishes to them: it outlives the consumer's death."""

    def __init__(self, system: str) -> None:
        self._labels = {semconv.MESSAGING_SYSTEM: system}
        meter = metrics.get_meter(SCOPE_NAME)
        description = "Messages that the broker holds for a consumer group, delivered or not, and not acknowledged."
        self._backlog = meter.create_gauge(semconv.MESSAGING_BACKLOG, "{message}", description)

    def waiting(self, destination: str, group: str, messages: int) -> None:
        """Tell how many messages of a destination wait for a consumer group."""
        labels = {semconv.MESSAGING_DESTINATION_NAME: destination, semconv.MESSAGING_CONSUMER_GROUP_NAME: group}
        self._backlog.set(messages, {**self._labels, **labels})
