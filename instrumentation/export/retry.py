"""Judge an HTTP answer as the OTLP specification does.

Source: https://opentelemetry.io/docs/specs/otlp/#otlphttp-response
"""

from datetime import UTC, datetime

from instrumentation.export.partial_success import partial_success
from instrumentation.signals.delivery import Outcome, Verdict

RETRYABLE = frozenset({429, 502, 503, 504})
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


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
        return max(0.0, (_http_date(text) - (now or datetime.now(UTC))).total_seconds())
    except ValueError:
        return None


def _http_date(text: str) -> datetime:
    """Read a date in one of the three forms that HTTP has, `Sun, 06 Nov 1994 08:49:37 GMT` and two old ones.

    Source: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7

    Raises:
        ValueError: It is none.
    """
    match text.lower().replace(",", " ").replace("-", " ").split():
        case [_, day, month, year, clock, "gmt" | "utc"]:  # Sunday, 06-Nov-94 08:49:37 GMT
            pass
        case [_, month, day, clock, year]:  # Sun Nov  6 08:49:37 1994
            pass
        case _:
            raise ValueError(text)
    hour, minute, second = clock.split(":")
    century = 0 if len(year) > 2 else 2000 if year < "70" else 1900
    numbers = (int(number) for number in (day, hour, minute, second))
    return datetime(century + int(year), _MONTHS.index(month) + 1, *numbers, tzinfo=UTC)
