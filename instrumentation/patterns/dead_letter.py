"""Dead letters, and what else the broker holds."""

from opentelemetry import trace

from instrumentation import semconv
from instrumentation.patterns.instrument import counter, meter


class DeadLetters:
    """Messages given up by one service."""

    def __init__(self) -> None:
        self._messages = counter(semconv.DEAD_LETTERS, "{message}", "Messages given up and put aside.")

    def put_aside(self, destination: str, deliveries: int) -> None:
        """Tell that a message of a destination was given up after so many deliveries."""
        self._messages.add(1, {semconv.MESSAGING_DESTINATION_NAME: destination})
        labels = {semconv.DEAD_LETTER: True, semconv.MESSAGING_MESSAGE_DELIVERY_COUNT: deliveries}
        trace.get_current_span().set_attributes(labels)


class Backlog:
    """What the broker holds for consumers, told by who publishes to them: it outlives the consumer's death."""

    def __init__(self, system: str) -> None:
        self._labels = {semconv.MESSAGING_SYSTEM: system}
        make = meter()
        description = "Messages that the broker holds for a consumer group, delivered or not, and not acknowledged."
        self._backlog = make.create_gauge(semconv.MESSAGING_BACKLOG, "{message}", description)

    def waiting(self, destination: str, group: str, messages: int) -> None:
        """Tell how many messages of a destination wait for a consumer group."""
        labels = {semconv.MESSAGING_DESTINATION_NAME: destination, semconv.MESSAGING_CONSUMER_GROUP_NAME: group}
        self._backlog.set(messages, {**self._labels, **labels})
