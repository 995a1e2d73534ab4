"""Messages as seen by who sends and who processes them: start and finish, shared by every broker.

A message carries the PRODUCER span's identity in its headers, never in its body. Its processing is a child of that
span; a batch, whose messages have many parents, is a new trace that links to each.

Source: https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/ and messaging-metrics/.
"""

from collections.abc import Iterable, Mapping
from contextvars import Token
from typing import NamedTuple

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import SpanContext, SpanKind, StatusCode

from instrumentation import semconv
from instrumentation.context import as_span_context, incoming
from instrumentation.encode import span as encode
from instrumentation.encode.attribute import attribute
from instrumentation.guard import Guard
from instrumentation.integrations import boundary
from instrumentation.integrations.boundary import Labels, Repeated
from instrumentation.signals.cell import CounterCell
from instrumentation.signals.metric import Histogram
from instrumentation.signals.signals import Signals
from instrumentation.signals.span import Span, exception_name

LINK_KEY = "instrumentation.link"
"""Context key of a SpanContext that the next messages' PRODUCER spans link to, such as an outbox relay's loop."""
TEMPORARY = "(temporary)"
"""Stands in span names and metrics for a destination made for one reply."""


class Destination(NamedTuple):
    """Where a message goes or comes from.

    Attributes:
        system: `messaging.system`, such as `nats`.
        name: Subject, topic, queue or channel.
        template: What the name is one of, such as `orders.*`; empty if names are few by themselves.
        temporary: Whether it exists for one reply.
        group: Consumer group that shares what is read; empty where there is none.
    """

    system: str
    name: str
    template: str = ""
    temporary: bool = False
    group: str = ""

    @property
    def varies(self) -> bool:
        """Whether the name is one of many, so that it is no metric's label."""
        return self.temporary or bool(self.template)


class Operation(NamedTuple):
    """What is done with messages, and how it is measured.

    Attributes:
        name: `messaging.operation.name`.
        type: `messaging.operation.type`.
        kind: Of the span.
        duration: In seconds.
    """

    name: str
    type: str
    kind: SpanKind
    duration: Histogram


class Messaging:
    """Turns each published message into a PRODUCER span and each processed one into a CONSUMER span, with metrics."""

    __slots__ = (
        "_age",
        "_consumed",
        "_guard",
        "_lag",
        "_process",
        "_publish",
        "_repeated",
        "_sent",
        "_tracer",
        "_trust",
    )

    def __init__(self, signals: Signals, scope_name: str) -> None:
        self._tracer = signals.tracers.get_tracer(scope_name)
        self._trust = signals.settings.trust
        self._guard: Guard = signals.guard
        metrics, boundaries = signals.metrics, semconv.DURATION_BOUNDARIES_SECONDS
        sending = metrics.histogram(
            semconv.MESSAGING_CLIENT_OPERATION_DURATION,
            unit="s",
            description="Duration of messaging operation initiated by a producer or consumer client.",
            boundaries=boundaries,
        )
        processing = metrics.histogram(
            semconv.MESSAGING_PROCESS_DURATION,
            unit="s",
            description="Duration of processing operation.",
            boundaries=boundaries,
        )
        self._publish = Operation("publish", "send", SpanKind.PRODUCER, sending)
        self._process = Operation("process", "process", SpanKind.CONSUMER, processing)
        self._sent = metrics.counter(
            semconv.MESSAGING_CLIENT_SENT_MESSAGES,
            unit="{message}",
            description="Number of messages producer attempted to send to the broker.",
        )
        self._consumed = metrics.counter(
            semconv.MESSAGING_CLIENT_CONSUMED_MESSAGES,
            unit="{message}",
            description="Number of messages that were delivered to the application.",
        )
        self._age = metrics.histogram(
            semconv.MESSAGING_MESSAGE_AGE,
            unit="s",
            description="Time from the publishing of a message to the start of its processing.",
            boundaries=semconv.AGE_BOUNDARIES_SECONDS,
        )
        self._lag = metrics.gauge(
            semconv.MESSAGING_CONSUMER_LAG,
            unit="{message}",
            description="Messages that waited behind the one delivered last.",
        )
        self._repeated: dict[tuple[str, Destination, str], tuple[Repeated, CounterCell]] = {}

    def start_publish(self, destination: Destination) -> Span | None:
        """Start the PRODUCER span of a message or batch; None while the kit is off or instrumentation is suppressed."""
        try:
            span = boundary.leave(self._tracer, f"publish {shown(destination)}", SpanKind.PRODUCER)
            link = otel_context.get_value(LINK_KEY)
            if span is not None and isinstance(link, SpanContext):
                span.add_link(link)
        except Exception as error:
            self._guard.caught("messaging publish", error)
            return None
        return span

    def start_process(
        self, destination: Destination, headers: Mapping[str, object], batch: Iterable[Mapping[str, object]] = ()
    ) -> tuple[Span, Token[Context]] | None:
        """Start the CONSUMER span of a message or batch and make it the current one; None while the kit is off.

        Args:
            destination: Where it came from.
            headers: Of the message; of a batch unused.
            batch: Headers of each message of a batch.
        """
        try:
            carriers = [carried(each) for each in batch]
            started = boundary.enter(
                self._tracer,
                self._trust,
                f"process {shown(destination)}",
                SpanKind.CONSUMER,
                {} if carriers else carried(headers),
            )
            if started is not None and carriers and self._trust != "ignore":
                _link(started[0], carriers)
        except Exception as error:
            self._guard.caught("messaging process", error)
            return None
        return started

    def finish_publish(
        self, span: Span, destination: Destination, details: Mapping[str, str | int], error: BaseException | None = None
    ) -> None:
        """End the span of what was published and count it.

        Args:
            span: From `start_publish`.
            destination: As given to `start_publish`.
            details: Span attributes of this message alone; a batch has its size among them.
            error: What publishing failed with.
        """
        self._finish(span, self._publish, destination, details, error)

    def finish_process(
        self, span: Span, destination: Destination, details: Mapping[str, str | int], error: BaseException | None = None
    ) -> None:
        """End the span of what was processed and count it; arguments as of `finish_publish`."""
        self._finish(span, self._process, destination, details, error)

    def count_consumed(self, destination: Destination, messages: int) -> None:
        """Count messages that the application pulled, whose processing cannot be seen."""
        self._consumed.cell(_labels(destination, "receive")).add(messages)

    def observe_delay(
        self, destination: Destination, age_seconds: float | None, behind: int | None, place: Mapping[str, str | int]
    ) -> None:
        """Record how late a message is and how many wait behind it, as far as the broker tells.

        Args:
            destination: Where it came from.
            age_seconds: Since it was published.
            behind: Messages that wait behind it.
            place: Further labels of `behind`, such as the partition.
        """
        if age_seconds is None and behind is None:
            return
        labels = _address(destination)
        if age_seconds is not None:
            self._age.cell(labels).observe(age_seconds)
        if behind is not None:
            self._lag.cell({**labels, **place}).set(behind)

    def _finish(
        self,
        span: Span,
        operation: Operation,
        destination: Destination,
        details: Mapping[str, str | int],
        error: BaseException | None,
    ) -> None:
        try:
            if isinstance(error, Exception):
                span.fail(error)
            elif error is not None:
                span.set_status(StatusCode.ERROR, type(error).__name__)
            entry, counter = self._entry(operation, destination, exception_name(error) if error is not None else "")
            counter.add(int(details.get(semconv.MESSAGING_BATCH_MESSAGE_COUNT, 1)))
            extra = b""
            if span.sampled:
                if destination.varies and destination.name != destination.template:
                    details = {semconv.MESSAGING_DESTINATION_NAME: destination.name, **details}
                taken = span.overridden(details) if span.own else ()
                extra = b"".join([attribute(key, value) for key, value in details.items() if key not in taken])
                if operation.kind is SpanKind.CONSUMER:
                    extra += boundary.request_id_attribute(span)
                if span.name != f"{operation.name} {shown(destination)}":  # the service's own name wins
                    entry = entry._replace(name_kind=encode.name_and_kind(span.name, operation.kind.value + 1))
            boundary.finish(span, entry, extra)
        except Exception as failure:
            self._guard.caught("messaging finish", failure)

    def _entry(self, operation: Operation, destination: Destination, error_type: str) -> tuple[Repeated, CounterCell]:
        # One of many names would be a new key each time.
        key = (operation.name, destination._replace(name="") if destination.varies else destination, error_type)
        found = self._repeated.get(key)
        if found is not None:
            return found
        labels = _labels(destination, operation.name)
        if error_type:
            labels[semconv.ERROR_TYPE] = error_type
        counter = self._sent if operation.kind is SpanKind.PRODUCER else self._consumed
        found = _repeat(operation, destination, labels), counter.cell(labels)
        if len(self._repeated) < boundary.MAX_REPEATED:
            self._repeated[key] = found
        return found


def shown(destination: Destination) -> str:
    """Return what of a destination has few values: its template, its name, or a fixed text for a temporary one."""
    return TEMPORARY if destination.temporary else destination.template or destination.name


def carried(headers: Mapping[str, object]) -> dict[str, str]:
    """Return the headers that carry context, as text, with lower-case names as `incoming` reads them."""
    found: dict[str, str] = {}
    for name in boundary.PROPAGATION_FIELDS:
        value = headers.get(name)
        if isinstance(value, bytes):
            value = value.decode("latin-1")
        if isinstance(value, str):
            found[name] = value
    return found


def _link(span: Span, carriers: list[dict[str, str]]) -> None:
    for headers in carriers:
        parent, _, _ = incoming(headers)
        if parent is not None:
            span.add_link(as_span_context(parent))


def _labels(destination: Destination, operation_name: str) -> Labels:
    labels = {**_address(destination), semconv.MESSAGING_OPERATION_NAME: operation_name}
    if destination.group:
        labels[semconv.MESSAGING_CONSUMER_GROUP_NAME] = destination.group
    return labels


def _address(destination: Destination) -> Labels:
    labels: Labels = {semconv.MESSAGING_SYSTEM: destination.system}
    if destination.varies:
        labels[semconv.MESSAGING_DESTINATION_TEMPLATE] = shown(destination)
    else:
        labels[semconv.MESSAGING_DESTINATION_NAME] = destination.name
    return labels


def _repeat(operation: Operation, destination: Destination, labels: Labels) -> Repeated:
    extra: Labels = {semconv.MESSAGING_OPERATION_TYPE: operation.type}
    if destination.temporary:
        extra[semconv.MESSAGING_DESTINATION_TEMPORARY] = True
    name = f"{operation.name} {shown(destination)}"
    return boundary.repeated(name, operation.kind, labels, extra, operation.duration)
