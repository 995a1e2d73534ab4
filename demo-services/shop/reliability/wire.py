"""Wire: what a broker must be able to do for the shop, and one message as each of them carries it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from faststream.message import StreamMessage

KEY_HEADER = "partitionkey"
"""The id of the thing a message is about, by the name that CloudEvents' partitioning extension has for it."""
MAX_DELIVERIES = 12
"""With growing delays a message is tried for about 80 s, longer than a restart takes; then it is put aside."""
WORKERS = 8
"""Messages of one subject that a process handles at the same time."""
PUBLISH_TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Letter:
    """One message.

    Attributes:
        subject: What it is about, such as `orders.created`.
        key: Messages of one subject and one key stay in order.
        message_id: Unique over all services.
        headers: Beside what the broker itself needs.
    """

    subject: str
    key: str
    message_id: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many messages of a subject wait for a group of readers."""

    subject: str
    group: str
    messages: int


class Wire(Protocol):
    """One service's connection to one broker.

    Attributes:
        system: `messaging.system`.
        broker: FastStream's, for its life and its middlewares.
    """

    system: str
    broker: Any

    def subscriber(self, subject: str) -> Any:
        """Return a decorator for the handler of a subject; processes of one service share the work."""
        ...

    def batch_subscriber(self, subject: str, purpose: str, size: int, wait_seconds: float) -> Any:
        """Return a decorator for a handler that takes up to `size` messages at once."""
        ...

    async def publish(self, letter: Letter, *, unread: bool = False) -> None:
        """Return when the broker has stored a message, `unread` where nobody reads it; raise if it may not have it."""
        ...

    def letters(self, message: StreamMessage[Any]) -> Sequence[Letter]:
        """Return what was delivered: one message, or those of a batch."""
        ...

    def deliveries(self, message: StreamMessage[Any]) -> int:
        """Return how often it was delivered, with this time."""
        ...

    async def give_back(self, message: StreamMessage[Any], delay_seconds: float) -> None:
        """Have it delivered again, after a while."""
        ...

    async def close(self) -> None:
        """Close what FastStream does not know of."""
        ...

    async def backlog(self) -> Sequence[Waiting]:
        """Tell what waits for readers: of this service's subjects if the broker tells that, else for this service."""
        ...


def text(headers: Any) -> dict[str, str]:
    """Return the headers of a broker's message as text; what is none is left out."""
    pairs = headers.items() if hasattr(headers, "items") else headers or ()
    decoded = ((name, value.decode() if isinstance(value, bytes) else value) for name, value in pairs)
    return {name: value for name, value in decoded if isinstance(value, str)}
