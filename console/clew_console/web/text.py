"""Numbers, units and times as the pages show them."""

import math
from datetime import UTC, datetime, tzinfo

NOTHING = "\u2013"
"""Stands for a value that is not there."""

_SIZES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_BINARY = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def digits_text(value: float) -> str:
    """Return three significant digits without an exponent; a whole number below 1000 as it is."""
    if value == int(value) and abs(value) < 1000:
        return str(int(value))
    if abs(value) >= 1000:
        return f"{value:.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.1e}"


def duration_text(duration_ns: float | None) -> str:
    """Return three significant digits with a unit: 1.23 ms."""
    if duration_ns is None:
        return NOTHING
    if not duration_ns:
        return "0"
    for unit_ns, unit in ((60e9, "min"), (1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if abs(duration_ns) >= unit_ns:
            return f"{digits_text(duration_ns / unit_ns)} {unit}"
    return f"{duration_ns:.0f} ns"


def number_text(value: float | None) -> str:
    """Return three significant digits, thousands as k, M, G: 12.3 k."""
    if value is None or math.isnan(value):
        return NOTHING
    for size, unit in _SIZES:
        if abs(value) >= size:
            return f"{digits_text(value / size)} {unit}"
    return digits_text(value)


def rate_text(per_second: float) -> str:
    """Return a rate in the unit that needs no small fractions: 12.3/s, 4/min, 1.5/h."""
    for seconds, unit in ((1, "s"), (60, "min")):
        if per_second * seconds >= 0.1:
            return f"{number_text(float(f'{per_second * seconds:.3g}'))}/{unit}"
    return f"{number_text(float(f'{per_second * 3600:.3g}'))}/h" if per_second else "0/s"


def quantity_text(value: float | None, unit: str, *, a_second: bool = False) -> str:
    """Return a value of an OpenTelemetry (UCUM) unit: seconds and bytes scaled, others with their unit behind."""
    suffix = "/s" if a_second else ""
    if value is None or math.isnan(value):
        return NOTHING
    if unit in {"s", "ms", "us", "ns"} and not a_second:
        return duration_text(value * {"s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1.0}[unit])
    if unit == "By":
        return _bytes_text(value) + suffix
    if unit == "1" and not a_second and -1 <= value <= 1:
        return percent_text(value)
    return f"{number_text(value)} {unit_text(unit)}".rstrip() + suffix


def unit_text(unit: str) -> str:
    """Return the unit for people: {request} -> requests, By -> B, 1 -> nothing."""
    if unit.startswith("{") and unit.endswith("}"):
        return ""
    return {"By": "B", "1": "", "Cel": "°C"}.get(unit, unit)


def unit_name(unit: str) -> str:
    """Return the unit as a list tells it: {request} -> request, By -> bytes, 1 -> ratio."""
    return {"By": "bytes", "1": "ratio", "Cel": "°C"}.get(unit, unit.removeprefix("{").removesuffix("}"))


def _bytes_text(value: float) -> str:
    for size, unit in _BINARY:
        if abs(value) >= size:
            return f"{digits_text(value / size)} {unit}"
    return f"{digits_text(value)} B"


def clock_text(time_ns: int, zone: tzinfo = UTC) -> str:
    """Return the time of day to the millisecond."""
    return local(time_ns, zone).strftime("%H:%M:%S.") + f"{time_ns // 10**6 % 1000:03d}"


def date_text(time_ns: int, zone: tzinfo = UTC) -> str:
    """Return date and time with the zone's offset."""
    return local(time_ns, zone).isoformat(sep=" ", timespec="milliseconds")


def local(time_ns: int, zone: tzinfo) -> datetime:
    """Return the time in the zone; one that no calendar holds as 1970."""
    try:
        return datetime.fromtimestamp(time_ns / 10**9, UTC).astimezone(zone)
    except (OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(0, UTC)


def count_text(count: float) -> str:
    """Return the number with thousands set apart by a thin space."""
    return f"{count:,.0f}".replace(",", "\u2009")


def percent_text(share: float | None) -> str:
    """Return a share of 0 to 1 in percent; a small one never reads as none."""
    if share is None:
        return NOTHING
    percent = 100 * share
    return "0 %" if not share else "< 0.1 %" if 0 < percent < 0.1 else f"{digits_text(round(percent, 1))} %"
