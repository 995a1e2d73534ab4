"""Dead letters: a message that cannot be handled is put aside, with its trace, so that those behind it go on."""

from __future__ import annotations

import logging
from dataclasses import replace
from json import JSONDecodeError
from typing import TYPE_CHECKING, Any

from fast_depends.exceptions import ValidationError
from pydantic import ValidationError as ModelError

from instrumentation.patterns import DeadLetters as DeadLettersTelemetry

if TYPE_CHECKING:
    from faststream.message import StreamMessage

    from shop.reliability.wire import Letter, Wire

PREFIX = "dead"
"""A message of `orders.created` is put aside under `dead.orders.created`."""
FIRST_DELAY_SECONDS = 0.1
LAST_DELAY_SECONDS = 15.0

UNREADABLE = (ValidationError, ModelError, JSONDecodeError, UnicodeDecodeError)
"""What a message raises that does not fit its type, or is no JSON at all: no later delivery reads better."""

_log = logging.getLogger(__name__)


class DeadLetters:
    """Gives messages that failed back to the broker, and in the end up.

    Args:
        wire: Where they came from.
        max_deliveries: After so many a message that fails is put aside; one that cannot be read, at once.
    """

    def __init__(self, wire: Wire, max_deliveries: int) -> None:
        self._wire = wire
        self._max_deliveries = max_deliveries
        self._telemetry = DeadLettersTelemetry()

    async def give_back(self, message: StreamMessage[Any], error: Exception) -> None:
        """Have a message delivered again, later each time; in the end put it aside."""
        delivery = self._wire.deliveries(message)
        if delivery < self._max_deliveries and not isinstance(error, UNREADABLE):
            await self._wire.give_back(message, min(FIRST_DELAY_SECONDS * 2 ** (delivery - 1), LAST_DELAY_SECONDS))
            return
        for letter in self._wire.letters(message):
            await self._put_aside(letter, delivery, error)
        await message.reject()

    async def _put_aside(self, letter: Letter, delivery: int, error: Exception) -> None:
        headers = {**letter.headers, "dead-reason": type(error).__name__}
        dead = replace(
            letter, subject=f"{PREFIX}.{letter.subject}", message_id=f"dead-{letter.message_id}", headers=headers
        )
        await self._wire.publish(dead, unread=True)
        self._telemetry.put_aside(letter.subject, delivery)
        _log.error("message put aside after %d deliveries", delivery, extra={"subject": letter.subject})
