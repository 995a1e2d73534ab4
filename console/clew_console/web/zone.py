"""The time zone a page tells times in: the reader's, as its cookie says, or UTC."""

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

COOKIE = "clew_zone"
"""Set by static/preferences.js to the browser's zone, or to UTC where the reader prefers it."""


def zone_of(cookies: Mapping[str, str]) -> tuple[str, tzinfo]:
    """Return the zone's name and the zone; without a cookie, or for one that is unknown, this machine's."""
    name = cookies.get(COOKIE, "")
    found = _zone(name) if name else None
    if found is not None:
        return name, found
    return "", datetime.now().astimezone().tzinfo or UTC


@lru_cache(maxsize=64)
def _zone(name: str) -> tzinfo | None:
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ValueError, OSError):  # unknown, not a zone's name, or no zone database on this machine
        return None
