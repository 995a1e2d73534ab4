"""Dead letters: a message that cannot be handled is put aside, with its trace, so that those behind it go on."""

from __future__ import annotations

import logging
from json import JSONDecodeError
from typing import TYPE_CHECKING, Any

from fast_depends.exceptions import ValidationError
from faststream import BaseMiddleware

from instrumentation.patterns import DeadLetters as DeadLettersTelemetry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from faststream.message import StreamMessage
    from faststream.nats import NatsBroker

PREFIX = "dead"
"""A message of `orders.created` is put aside under `dead.orders.created`."""
FIRST_DELAY_SECONDS = 0.1
LAST_DELAY_SECONDS = 15.0

UNREADABLE = (ValidationError, JSONDecodeError, UnicodeDecodeError)
"""What a message raises that does not fit its type, or is no JSON at all: no later delivery reads better."""

_log = logging.getLogger(__name__)


class DeadLetters:
    """Settles the messages of one service.

    Args:
        stream: Whose subjects include `dead.>`.
        max_deliveries: After so many a message that fails is put aside; one that cannot be read, at once.
    """

    def __init__(self, stream: str, max_deliveries: int) -> None:
        self._stream = stream
        self._max_deliveries = max_deliveries
        self._telemetry = DeadLettersTelemetry()
        self.broker: NatsBroker | None = None

    def __call__(self, msg: Any, /, *, context: Any) -> BaseMiddleware[Any, Any]:
        """Settle one message."""
        return _Settle(self, msg, context)

    async def give_back(self, message: StreamMessage[Any], error: Exception) -> None:
        """Have a message delivered again, later each time; in the end put it aside."""
        parts = message.raw_message if isinstance(message.raw_message, list) else [message.raw_message]
        delivery = max(part.metadata.num_delivered for part in parts)
        if delivery < self._max_deliveries and not isinstance(error, UNREADABLE):
            delay = min(FIRST_DELAY_SECONDS * 2 ** (delivery - 1), LAST_DELAY_SECONDS)
            await message.nack(delay=delay)  # type: ignore[call-arg] - NATS's takes one
            return
        await self._put_aside(parts, delivery, error)
        await message.reject()

    async def _put_aside(self, parts: Sequence[Any], delivery: int, error: Exception) -> None:
        assert self.broker is not None  # noqa: S101 - set before any message comes
        for part in parts:
            headers = {**(part.headers or {}), "dead-reason": type(error).__name__}
            headers["Nats-Msg-Id"] = f"dead-{headers.get('Nats-Msg-Id', part.metadata.sequence.stream)}"
            await self.broker.publish(part.data, f"{PREFIX}.{part.subject}", headers=headers, stream=self._stream)
            self._telemetry.put_aside(part.subject, delivery)
            _log.error("message put aside after %d deliveries", delivery, extra={"subject": part.subject})


class _Settle(BaseMiddleware[Any, Any]):
    """Acknowledge a message when its handler returns; give it back when it raises."""

    def __init__(self, letters: DeadLetters, msg: Any, context: Any) -> None:
        super().__init__(msg, context=context)
        self._letters = letters

    async def consume_scope(self, call_next: Callable[[Any], Awaitable[Any]], msg: StreamMessage[Any]) -> Any:
        """Run the handler and settle the message; the handler's exception goes on to whoever records it."""
        try:
            result = await call_next(msg)
        except Exception as error:
            await self._letters.give_back(msg, error)
            raise
        await msg.ack()
        return result
