"""FastStream: messages of every broker become PRODUCER and CONSUMER spans, by a broker middleware of its public kind.

FastStream has no place to add a middleware to all brokers, so `BrokerUsecase.__init__` and `connect` do it: that covers
brokers made after `install`, and those made before that connect after it. `SubscriberUsecase.process_message` is
wrapped so that handling inherits no ambient context, and keeps the span's until the message is acknowledged and its
failure logged, which happens outside of all middlewares. Messages that the application pulls itself (`get_one`,
`async for`) are counted only: nothing tells when their processing ends.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextvars import Token
from functools import wraps
from types import TracebackType
from typing import Any, cast

from faststream import BaseMiddleware, BatchPublishCommand, PublishCommand, PublishType, SourceType, StreamMessage
from faststream._internal.broker import BrokerUsecase
from faststream._internal.endpoint.subscriber import SubscriberUsecase
from faststream.exceptions import AckMessage, SkipMessage, StopConsume
from opentelemetry import context as otel_context
from opentelemetry.context import Context, create_key
from typing_extensions import override

from instrumentation import semconv
from instrumentation.guard import Guard
from instrumentation.integrations import boundary
from instrumentation.integrations.faststream_delivery import Delivery, Details, Offsets, delivery
from instrumentation.integrations.messaging import Destination, Messaging
from instrumentation.signals.signals import Signals
from instrumentation.signals.span import Span

SCOPE_NAME = "instrumentation.faststream"
SYSTEMS = {"confluent": "kafka", "rabbit": "rabbitmq"}
"""`messaging.system` by FastStream's package, where the two differ."""
_HANDLING = create_key("instrumentation.handling")
_SETTLED = (AckMessage, SkipMessage, StopConsume)
"""Exceptions that end the handling of a message without its being a failure."""
_DECLARED_AS = ("subject", "topic", "queue", "channel")
"""Keys of FastStream's log context under which a subscriber's address stands, by broker."""


def install(signals: Signals) -> Callable[[], None]:
    """Observe all brokers; returns what undoes it."""
    broker_class: Any = BrokerUsecase
    subscriber_class: Any = SubscriberUsecase
    make, connect, process = broker_class.__init__, broker_class.connect, subscriber_class.process_message
    messaging = Messaging(signals, SCOPE_NAME)
    adopted: list[Instrument] = []

    def adopt(broker: Any) -> None:
        try:
            _adopt(broker, messaging, signals.guard, adopted)
        except Exception as error:
            signals.guard.caught("faststream adopt", error)

    @wraps(make)
    def made(self: Any, *args: Any, **options: Any) -> None:
        make(self, *args, **options)
        adopt(self)

    @wraps(connect)
    async def connected(self: Any) -> Any:
        adopt(self)
        return await connect(self)

    broker_class.__init__, broker_class.connect = made, connected
    subscriber_class.process_message = _isolated(process)

    def undo() -> None:
        broker_class.__init__, broker_class.connect, subscriber_class.process_message = make, connect, process
        for instrument in adopted:
            instrument.messaging = None

    return undo


def _adopt(broker: Any, messaging: Messaging, guard: Guard, adopted: "list[Instrument]") -> None:
    known = [each for each in broker.middlewares if isinstance(each, Instrument)]
    instrument = known[0] if known else Instrument(_system(broker), guard)
    if not known:
        broker.insert_middleware(instrument)
    if instrument.messaging is not messaging:
        instrument.messaging = messaging
        adopted.append(instrument)


def _isolated(process: Callable[[Any, Any], Awaitable[Any]]) -> Callable[[Any, Any], Awaitable[Any]]:
    isolation = otel_context.set_value(_HANDLING, True, Context())

    @wraps(process)
    async def process_message(self: Any, msg: Any) -> Any:
        token = otel_context.attach(isolation)
        try:
            return await process(self, msg)
        finally:
            otel_context.detach(token)

    return process_message


def _system(broker: object) -> str:
    modules = [each.__module__.split(".") for each in type(broker).__mro__]
    packages = [names[1] for names in modules if names[0] == "faststream" and len(names) > 1]
    package = next((name for name in packages if not name.startswith("_")), "faststream")
    return SYSTEMS.get(package, package)


class Instrument:
    """The broker middleware: makes one observer per message.

    Attributes:
        messaging: Where records go; None after `undo`.
    """

    __slots__ = ("guard", "messaging", "offsets", "system")

    def __init__(self, system: str, guard: Guard) -> None:
        self.system = system
        self.guard = guard
        self.messaging: Messaging | None = None
        self.offsets = Offsets()

    def __call__(self, msg: Any, /, *, context: Any) -> BaseMiddleware[PublishCommand, Any]:
        """Observe one message, received or published."""
        if self.messaging is None:
            return BaseMiddleware(msg, context=context)
        return _Observer(self, self.messaging, msg, context)


class _Observer(BaseMiddleware[PublishCommand, Any]):
    """One message under way."""

    def __init__(self, instrument: Instrument, messaging: Messaging, msg: Any, context: Any) -> None:
        super().__init__(msg, context=context)
        self._instrument = instrument
        self._messaging = messaging
        self._consumed: tuple[Span, Destination, Details] | None = None
        self._error: BaseException | None = None

    @override
    async def publish_scope(self, call_next: Callable[[PublishCommand], Awaitable[Any]], cmd: PublishCommand) -> Any:
        started = self._start_publish(cmd)
        if started is None:
            return await call_next(cmd)
        span, destination, details, token = started
        try:
            result = await call_next(cmd)
        except BaseException as error:
            self._messaging.finish_publish(span, destination, details, error)
            raise
        finally:
            otel_context.detach(token)
        self._messaging.finish_publish(span, destination, details)
        return result

    def _start_publish(self, cmd: PublishCommand) -> tuple[Span, Destination, Details, Token[Context]] | None:
        try:
            destination = _target(self._instrument.system, cmd)
            span = self._messaging.start_publish(destination)
            if span is None:
                return None
            # A copy: the dict may be the application's own.
            cmd.headers = boundary.replaced(cmd.headers or {}, span)
            return span, destination, _published(cmd), boundary.make_current(span)
        except Exception as error:
            self._instrument.guard.caught("faststream publish", error)
            return None

    @override
    async def consume_scope(self, call_next: Callable[[Any], Awaitable[Any]], msg: StreamMessage[Any]) -> Any:
        if msg.source_type is SourceType.RESPONSE:  # the answer to a request, part of its PRODUCER span
            return await call_next(msg)
        self._start_process(msg)
        try:
            return await call_next(msg)
        except BaseException as error:
            self._error = error
            raise

    def _start_process(self, msg: StreamMessage[Any]) -> None:
        try:
            source = _source(self._instrument.system, self.context.get_local("log_context") or {}, msg)
            if not otel_context.get_value(_HANDLING):
                self._messaging.count_consumed(source, len(msg.batch_headers) or 1)
                return
            # Not detached here: `process_message` does it, after the message is acknowledged and its failure logged.
            started = self._messaging.start_process(source, msg.headers, msg.batch_headers)
            if started is not None:
                span = started[0]
                self._consumed = span, source, _counted(msg)
                told = delivery(source.system, source.group, msg, self._instrument.offsets.count)
                self._messaging.observe_delay(source, told.age_seconds, told.behind, told.place)
                if span.sampled:
                    self._consumed = span, source, _received(msg, told)
        except Exception as error:
            self._instrument.guard.caught("faststream process", error)

    @override
    async def after_processed(
        self,
        exc_type: type[BaseException] | None = None,
        exc_val: BaseException | None = None,
        exc_tb: TracebackType | None = None,
    ) -> bool | None:
        if self._consumed is not None:
            span, source, details = self._consumed
            error = self._error or exc_val
            self._messaging.finish_process(span, source, details, None if isinstance(error, _SETTLED) else error)
        return False


def _target(system: str, cmd: PublishCommand) -> Destination:
    name = cmd.destination
    exchange = getattr(getattr(cmd, "exchange", None), "name", "")
    temporary = cmd.publish_type is PublishType.REPLY or name.startswith("_INBOX.")
    return Destination(system, ":".join(part for part in (exchange, name) if part), temporary=temporary)


def _source(system: str, log_context: dict[str, str], msg: StreamMessage[Any]) -> Destination:
    if system == "rabbitmq":
        return _queue(log_context, msg.raw_message)
    declared = next((log_context[key] for key in _DECLARED_AS if log_context.get(key)), "")
    group = log_context.get("group_id", "")
    is_pattern = any(character in declared for character in "*>{#+")
    if is_pattern and msg.batch_headers:  # its messages may be from several
        return Destination(system, declared, declared, group=group)
    raw = _first(msg.raw_message)
    actual = getattr(raw, "subject", None) or getattr(raw, "topic", None)
    name = actual if isinstance(actual, str) else declared
    return Destination(system, name or declared, declared if is_pattern else "", group=group)


def _queue(log_context: dict[str, str], raw: Any) -> Destination:
    """Return where a RabbitMQ message came from: `exchange:routing key:queue`, what is empty or equal left out."""
    queue, exchange, key = log_context.get("queue", ""), raw.exchange or "", raw.routing_key or ""
    parts = (exchange, "" if key == queue else key, queue)
    name = ":".join(part for part in parts if part)
    # An exchange may route many keys to a queue.
    return Destination("rabbitmq", name, f"{exchange}:{queue}" if exchange and name != f"{exchange}:{queue}" else "")


def _published(cmd: PublishCommand) -> Details:
    details: Details = {}
    if cmd.correlation_id:
        details[semconv.MESSAGING_MESSAGE_CONVERSATION_ID] = cmd.correlation_id
    # Kafka's command is of the batch kind even for one message.
    if isinstance(cmd, BatchPublishCommand) and len(cmd.batch_bodies) > 1:
        details[semconv.MESSAGING_BATCH_MESSAGE_COUNT] = len(cmd.batch_bodies)
    return _placed(cmd, details)


def _placed(cmd: PublishCommand, details: Details) -> Details:
    """Add what a broker's own command tells of the place."""
    key = getattr(cmd, "key", None)
    if isinstance(key, bytes):
        details[semconv.MESSAGING_KAFKA_MESSAGE_KEY] = key.decode("utf-8", "replace")
    partition = getattr(cmd, "partition", None)
    if isinstance(partition, int):
        details[semconv.MESSAGING_DESTINATION_PARTITION_ID] = str(partition)
    if hasattr(cmd, "exchange") and cmd.destination:
        details[semconv.MESSAGING_RABBITMQ_DESTINATION_ROUTING_KEY] = cmd.destination
    return details


def _counted(msg: StreamMessage[Any]) -> Details:
    return {semconv.MESSAGING_BATCH_MESSAGE_COUNT: len(msg.batch_headers)} if msg.batch_headers else {}


def _received(msg: StreamMessage[Any], told: Delivery) -> Details:
    details = {**told.details, **_counted(msg)}
    if not msg.batch_headers:
        details[semconv.MESSAGING_MESSAGE_ID] = msg.message_id
        if msg.correlation_id:
            details[semconv.MESSAGING_MESSAGE_CONVERSATION_ID] = msg.correlation_id
    if isinstance(msg.body, bytes):
        details[semconv.MESSAGING_MESSAGE_BODY_SIZE] = len(msg.body)
    if told.deliveries > 1:
        details[semconv.MESSAGING_MESSAGE_REDELIVERED] = True
        if told.is_counted:
            details[semconv.MESSAGING_MESSAGE_DELIVERY_COUNT] = told.deliveries
    return details


def _first(raw: Any) -> Any:
    """Return the first message of a batch."""
    return next(iter(cast("Sequence[Any]", raw)), None) if isinstance(raw, (list, tuple)) else raw
