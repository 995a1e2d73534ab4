"""Numbers and times as the pages show them."""

from datetime import UTC, datetime


def duration_text(duration_ns: float) -> str:
    """Return three significant digits with a unit: 1.23 ms."""
    for unit_ns, unit in ((60e9, "min"), (1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if duration_ns >= unit_ns:
            return (
                f"{duration_ns / unit_ns:.3g} {unit}"
                if duration_ns < 1000 * unit_ns
                else f"{duration_ns / unit_ns:.0f} {unit}"
            )
    return f"{duration_ns:.0f} ns"


def clock_text(time_ns: int) -> str:
    """Return the local time of day to the millisecond."""
    return _local(time_ns).strftime("%H:%M:%S.") + f"{time_ns // 10**6 % 1000:03d}"


def date_text(time_ns: int) -> str:
    """Return the local date and time with its offset."""
    return _local(time_ns).isoformat(sep=" ", timespec="milliseconds")


def _local(time_ns: int) -> datetime:
    try:
        return datetime.fromtimestamp(time_ns / 10**9, UTC).astimezone()
    except (OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(0, UTC)


def count_text(count: int) -> str:
    """Return the number with thousands set apart by a thin space."""
    return f"{count:,}".replace(",", "\u2009")


def percent_text(share: float) -> str:
    """Return a share of 0 to 1 in percent; a small one never reads as none."""
    percent = 100 * share
    return "0 %" if not share else "< 0.1 %" if percent < 0.1 else f"{percent:.3g} %"
