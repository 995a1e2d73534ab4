"""Say what became of one export attempt: the words that pipeline and export share."""

from enum import Enum
from typing import NamedTuple, Protocol


class Verdict(Enum):
    """What the sender does next with the records of the attempt."""

    DELIVERED = "delivered"
    RETRYABLE = "retryable"
    TOO_LARGE = "too_large"
    """The receiver takes fewer records at a time: halve the batch."""
    FAILED = "failed"


class Outcome(NamedTuple):
    """Result of one export attempt.

    Attributes:
        verdict: What happened.
        rejected: Records a receiver refused out of an otherwise delivered request (OTLP's partial success).
        retry_after_seconds: How long the receiver asked to be left alone; None if it said nothing.
        reason: Why, for the diagnostics line; no payload and no secret in it.
        refused: Whether nobody listens where the request was sent.
    """

    verdict: Verdict
    rejected: int = 0
    retry_after_seconds: float | None = None
    reason: str = ""
    refused: bool = False


DELIVERED = Outcome(Verdict.DELIVERED)


class Exporter(Protocol):
    """Sends encoded export requests of one signal. Called from one thread at a time."""

    def export(self, body: bytes, deadline: float) -> Outcome:
        """Send one request. Give up at `deadline`, a `time.monotonic()` value that bounds the attempt as a whole."""
        ...

    def close(self) -> None:
        """Let go of connections. The exporter may be used again after it."""
        ...
