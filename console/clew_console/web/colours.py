"""A colour for each service, the same on every page as far as ten colours allow."""

import zlib
from collections.abc import Iterable

COLOURS = 10


def service_colours(services: Iterable[str]) -> dict[str, int]:
    """Return a colour number per service: a hash of its name, moved on where taken, so that up to ten all differ."""
    colours = dict[str, int]()
    for service in sorted(set(services)):
        taken = set(colours.values())
        first = zlib.crc32(service.encode())
        candidates = [(first + step) % COLOURS for step in range(COLOURS)]
        colours[service] = next((one for one in candidates if one not in taken), candidates[0])
    return colours
