"""A page: its template with its values, and what every page knows of its request."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from clew_console.api.run_paths import asked
from clew_console.query.error import QueryError
from clew_console.search.extent import newest_ns
from clew_console.search.logs import label_values
from clew_console.web.colours import service_colours
from clew_console.web.links import address
from clew_console.web.text import NOTHING, local
from clew_console.web.time_range import DEFAULT_RANGE, RANGES, Period, period
from clew_console.web.zone import zone_of

THEME_COOKIE = "clew_theme"
HOUR_NS = 3600 * 10**9

_TIME_PARAMETERS = frozenset({"range", "from", "to"})


@dataclass(frozen=True, slots=True)
class Page:
    """A template with its values, and the status to send it with."""

    template: str
    values: Mapping[str, Any] = field(default_factory=dict)
    code: int = 200


class View:
    """One request for a page: what it asks, of which time, told in which zone."""

    def __init__(self, request: Request) -> None:
        about = asked(request)
        self.run, self.directory, self.base = about.run, about.directory, about.base
        self.parameters = request.query_params
        self.path_parameters = request.path_params
        self.path = request.url.path
        self.theme = request.cookies.get(THEME_COOKIE, "")
        self.zone_name, self.zone = zone_of(request.cookies)

    @cached_property
    def period(self) -> Period:
        """The time the page shows."""
        return period(self.parameters, self.directory, self.zone, self.default_range)

    @property
    def default_range(self) -> str:
        """The range of a page whose address names none: a run of its own is looked at as a whole."""
        return "all" if self.base else DEFAULT_RANGE

    @property
    def wide_range(self) -> str:
        """The range in which to look for what is like something seen."""
        return "all" if self.base else "24h"

    @cached_property
    def colours(self) -> dict[str, int]:
        """A colour number for every service known, the same on every page."""
        return service_colours(label_values(self.directory).get("service_name", ()))

    def text(self, name: str) -> str:
        """Return a parameter without the space around it."""
        return self.parameters.get(name, "").strip()

    def link(self, path: str, **parameters: str) -> str:
        """Return the address of a page for the same time."""
        return address(path, self.period, parameters)

    def here(self, **changes: str) -> str:
        """Return this page's address with some parameters changed; an empty one goes."""
        return address(self.path, self.period, {key: value for key, value in (self.kept() | changes).items() if value})

    def at(self, start_ns: int, end_ns: int, **changes: str) -> str:
        """Return this page's address for another time."""
        parameters = {key: value for key, value in (self.kept() | changes).items() if value}
        return address(self.path, Period(start_ns, end_ns), parameters)

    def around(self, time_ns: int) -> str:
        """Return this page's address for the hour that ends just after a moment."""
        return self.at(time_ns - HOUR_NS + 10**9, time_ns + 10**9)

    def ranges(self) -> list[tuple[str, str, str]]:
        """Return name, label and address of each range on offer."""
        return [(name, label, address(self.path, Period(0, 0, name), self.kept())) for name, label in RANGES.items()]

    def period_text(self) -> str:
        """Return the page's time in words."""
        if self.period.name:
            return f"Last {RANGES[self.period.name]}" if self.period.name != "all" else "All time"
        start, end = (local(one, self.zone) for one in (self.period.start_ns, self.period.end_ns))
        first = start.strftime("%d %b %H:%M:%S")
        return f"{first} {NOTHING} {end.strftime('%H:%M:%S' if start.date() == end.date() else '%d %b %H:%M:%S')}"

    def newest_ns(self) -> int | None:
        """Return the time of the newest data; None while there is none."""
        return newest_ns(self.directory)

    def kept(self) -> dict[str, str]:
        """Return the parameters other than the time."""
        return {key: value for key, value in self.parameters.items() if key not in _TIME_PARAMETERS}


Answer = Callable[[View], Page | Response]


def explained(error: QueryError) -> dict[str, str]:
    """Split what is wrong from what is supported."""
    wrong, _, supported = str(error).partition(" Supported: ")
    return {"wrong": wrong, "supported": supported}
