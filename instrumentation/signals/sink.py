"""Where finished records go: the seam between what makes records and what delivers them."""

from collections.abc import Callable
from typing import Any, Protocol

Record = tuple[bytes, bytes]
"""InstrumentationScope message (for a line: nothing) and record message."""
Parts = tuple[Any, ...]
"""What a record will be encoded from: values that nobody changes any more."""
Encode = Callable[[Parts], Record]
"""Makes a record of its parts, in the thread that sends it. Must not raise."""


class Ended(Protocol):
    """What has ended and will become a record of several signals."""

    @property
    def size(self) -> int:
        """Bytes that it holds, roughly; counts towards the memory bound."""
        ...

    def records(self) -> tuple[Record, ...]:
        """Make the records, always as many."""
        ...


class Endings(Protocol):
    """Takes what has ended, and never blocks or raises."""

    def add(self, ended: Ended, /) -> None:
        """Accept what nobody changes any more."""
        ...


class Sink(Protocol):
    """Takes records of one signal and never blocks or raises."""

    def add(self, scope: bytes, record: bytes) -> None:
        """Accept a record.

        Args:
            scope: InstrumentationScope message that the record belongs to.
            record: Span or LogRecord message.
        """
        ...

    def defer(self, encode: Encode, parts: Parts, size: int) -> None:
        """Accept a record that is encoded later, many at a time.

        Between requests the caches hold the service's own code and data, so the same encoding costs three times as
        much on the request path as in a loop: measured in a running server, 11 us against 3.6 for a request's three
        records.

        Args:
            encode: Makes the record.
            parts: What of.
            size: Bytes that the parts hold, roughly; counts towards the memory bound.
        """
        ...
