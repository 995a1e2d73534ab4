"""Judge an HTTP answer as the OTLP specification does.

Source: https://opentelemetry.io/docs/specs/otlp/#otlphttp-response
"""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from instrumentation.export.partial_success import partial_success
from instrumentation.signals.delivery import Outcome, Verdict

RETRYABLE = frozenset({429, 502, 503, 504})


def judge(status: int, body: bytes, retry_after: str | None) -> Outcome:
    """Return what an answer means for the records that were sent."""
    if 200 <= status < 300:
        rejected, message = partial_success(body)
        return Outcome(Verdict.DELIVERED, rejected, reason=message)
    reason = f"HTTP {status}"
    if status in RETRYABLE:
        return Outcome(Verdict.RETRYABLE, retry_after_seconds=retry_after_seconds(retry_after), reason=reason)
    if status == 413:
        return Outcome(Verdict.TOO_LARGE, reason=reason)
    return Outcome(Verdict.FAILED, reason=reason)


def retry_after_seconds(text: str | None, now: datetime | None = None) -> float | None:
    """Read a `Retry-After` header, a number of seconds or a date; None if it is neither."""
    text = (text or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        date = parsedate_to_datetime(text)
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        return max(0.0, (date - (now or datetime.now(UTC))).total_seconds())
    except (ValueError, OverflowError):
        return None
