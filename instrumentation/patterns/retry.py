"""Retries: a call that failed for a reason that may pass is made again, within bounds."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal

from opentelemetry import context as otel_context
from opentelemetry import trace

from instrumentation import semconv
from instrumentation.context import RESEND_KEY
from instrumentation.patterns.instrument import counter, meter

RetryOutcome = Literal["succeeded", "permanent", "attempts", "deadline", "budget"]
"""How a call ended: it succeeded; it failed for good; or it failed and the number of attempts, its deadline, or what
all calls together may retry, allowed no more."""


class Retry:
    """Calls of one kind that are retried.

    Args:
        name: Of the kind.
    """

    def __init__(self, name: str) -> None:
        self._labels = {semconv.RETRY_NAME: name}
        self._calls = counter(
            semconv.RETRY_CALLS, "{call}", "Calls that ended, by outcome; each may be several attempts."
        )
        self._resends = counter(semconv.RETRY_RESENDS, "{attempt}", "Attempts after the first.")
        self._budget = meter().create_gauge(semconv.RETRY_BUDGET, "{attempt}", "Attempts that may still be made.")

    @contextmanager
    def attempt(self, resends: int) -> Generator[None]:
        """Mark what happens inside as an attempt: spans of outgoing requests get the number of those before it."""
        if not resends:
            yield
            return
        self._resends.add(1, self._labels)
        token = otel_context.attach(otel_context.set_value(RESEND_KEY, resends))
        try:
            yield
        finally:
            otel_context.detach(token)

    def resent(self) -> None:
        """Tell of an attempt after the first where `attempt` cannot be around it."""
        self._resends.add(1, self._labels)

    def waits(self, resends: int, delay_seconds: float, error: BaseException) -> None:
        """Tell that an attempt failed and that another follows, after a while: an event of the current span."""
        attributes = {
            **self._labels,
            semconv.RETRY_RESEND: resends,
            semconv.RETRY_DELAY: delay_seconds,
            semconv.ERROR_TYPE: type(error).__qualname__,
        }
        trace.get_current_span().add_event(semconv.RETRY_EVENT, attributes)

    def ended(self, outcome: RetryOutcome) -> None:
        """Tell how a call ended; one that gave up says why on the current span."""
        labels = {**self._labels, semconv.RETRY_OUTCOME: outcome}
        self._calls.add(1, labels)
        if outcome not in ("succeeded", "permanent"):
            trace.get_current_span().set_attributes(labels)

    def budget(self, attempts: float) -> None:
        """Tell how many retries all calls together may still make."""
        self._budget.set(attempts, self._labels)
