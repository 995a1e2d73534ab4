"""Idempotency keys: a request that is sent again gets the first answer."""

from opentelemetry import trace

from instrumentation import semconv
from instrumentation.patterns.instrument import counter


class Idempotency:
    """Requests with an idempotency key.

    Args:
        operation: What the keys are for, such as `place_order`.
    """

    def __init__(self, operation: str) -> None:
        self._operation = operation
        self._requests = counter(semconv.IDEMPOTENCY_REQUESTS, "{request}", "Requests with a key, by outcome.")

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
