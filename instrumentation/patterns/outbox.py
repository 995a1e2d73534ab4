"""Outbox and inbox: messages stored with their transaction, published later, and handled once."""

from opentelemetry import trace

from instrumentation import semconv
from instrumentation.patterns.instrument import counter, meter


class Outbox:
    """The outbox of one service."""

    def __init__(self) -> None:
        make = meter()
        self._depth = make.create_gauge(semconv.OUTBOX_DEPTH, "{message}", "Messages stored and not yet published.")
        self._oldest = make.create_gauge(semconv.OUTBOX_OLDEST_AGE, "s", "Age of the oldest of them.")
        self._stored = counter(semconv.OUTBOX_STORED, "{message}", "Messages stored with their transaction.")
        self._published = counter(semconv.OUTBOX_PUBLISHED, "{message}", "Messages published and marked so.")
        self._failures = counter(semconv.OUTBOX_FAILURES, "{attempt}", "Attempts to publish that failed.")
        self._delay = make.create_histogram(
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
        self._messages = counter(semconv.INBOX_MESSAGES, "{message}", "Messages received, by outcome.")

    def admitted(self) -> None:
        """Tell that a message is new."""
        self._messages.add(1, {semconv.INBOX_OUTCOME: "admitted"})

    def duplicate(self) -> None:
        """Tell that a message was handled before and has no effect now."""
        self._messages.add(1, {semconv.INBOX_OUTCOME: "duplicate"})
        trace.get_current_span().set_attribute(semconv.INBOX_OUTCOME, "duplicate")
