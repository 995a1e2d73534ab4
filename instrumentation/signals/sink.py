"""Where finished records go: the seam between what makes records and what delivers them."""

from typing import Protocol


class Sink(Protocol):
    """Takes encoded records of one signal and never blocks or raises."""

    def add(self, scope: bytes, record: bytes) -> None:
        """Accept a record.

        Args:
            scope: InstrumentationScope message that the record belongs to.
            record: Span or LogRecord message.
        """
        ...
