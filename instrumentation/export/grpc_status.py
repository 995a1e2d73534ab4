"""Judge the status of a gRPC answer as the OTLP specification does.

Source: https://opentelemetry.io/docs/specs/otlp/#otlpgrpc-response
"""

from collections.abc import Iterable, Iterator

from instrumentation.export.partial_success import message_fields
from instrumentation.signals.delivery import Outcome, Verdict

RETRYABLE = frozenset(("CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"))
RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
"""Is retryable if the receiver says when, by RetryInfo or pushback."""
MAX_REASON_CHARACTERS = 500

Metadata = Iterable[tuple[str, str | bytes]]


def judge(code: str, details: str, trailing: Metadata) -> Outcome:
    """Return what a status other than OK means for the records that were sent.

    Args:
        code: Name of the status code.
        details: The status' text.
        trailing: Trailing metadata.
    """
    reason = f"gRPC {code}: {details[:MAX_REASON_CHARACTERS]}" if details else f"gRPC {code}"
    if code == RESOURCE_EXHAUSTED and "larger than max" in details and not details.startswith("CLIENT: Received"):
        return Outcome(Verdict.TOO_LARGE, reason=reason)
    asked = retry_after_seconds(trailing)
    never = asked is not None and asked < 0
    if not never and (code in RETRYABLE or (code == RESOURCE_EXHAUSTED and asked is not None)):
        refused = code == "UNAVAILABLE" and "Connection refused" in details
        return Outcome(Verdict.RETRYABLE, retry_after_seconds=asked, reason=reason, refused=refused)
    return Outcome(Verdict.FAILED, reason=reason)


def retry_after_seconds(trailing: Metadata) -> float | None:
    """Return how long the receiver asked to be left alone: pushback first, then RetryInfo; negative: for ever.

    Sources: https://github.com/grpc/proposal/blob/master/A6-client-retries.md#pushback and google.rpc.RetryInfo.
    """
    values = dict(trailing)
    pushback = values.get("grpc-retry-pushback-ms")
    if pushback is not None:
        text = pushback.decode("ascii", "replace") if isinstance(pushback, bytes) else pushback
        # A value that is no number of milliseconds means: do not try again.
        return int(text) / 1000 if text.isascii() and text.isdigit() and len(text) < 10 else -1.0
    status = values.get("grpc-status-details-bin")
    return _retry_delay(status) if isinstance(status, bytes) else None


def _retry_delay(status: bytes) -> float | None:
    """Read google.rpc.Status{3: repeated Any{1: type_url, 2: value}}, and of it RetryInfo{1: Duration}."""
    try:
        for detail in _messages(status, 3):
            parts = dict(message_fields(detail))
            name, value = parts.get(1), parts.get(2, b"")
            if isinstance(name, bytes) and name.endswith(b"/google.rpc.RetryInfo") and isinstance(value, bytes):
                delay = next(_messages(value, 1), b"")
                numbers = {field: number for field, number in message_fields(delay) if isinstance(number, int)}
                return numbers.get(1, 0) + numbers.get(2, 0) / 1e9 if numbers.get(1, 0) < 1 << 62 else 0.0
    except (IndexError, ValueError):
        return None
    return None


def _messages(message: bytes, wanted: int) -> Iterator[bytes]:
    return (value for field, value in message_fields(message) if field == wanted and isinstance(value, bytes))
