"""The scrape exit: the store's metrics and those of prometheus_client on one page, each name once."""

from collections.abc import Collection, Mapping, Sequence
from hmac import compare_digest
from time import monotonic, sleep
from typing import Protocol

from instrumentation.encode import openmetrics
from instrumentation.encode.family import Family
from instrumentation.signals.metric import MetricStore, Warn

MAX_ACCEPT_CHARACTERS = 4096
"""Read of an `Accept` header; scrapers send some 200."""
OF_ONE_PROCESS = frozenset(("service.instance.id", "process.pid"))
"""Attributes of the resource that differ between the workers of a server."""

_HOLD_SECONDS, _REST_SECONDS = 0.001, 0.00005


class Clients(Protocol):
    """Metrics that the service keeps with prometheus_client."""

    def text(self, taken: Collection[str], warn: Warn, *, wants_openmetrics: bool) -> bytes:
        """Write them, without those whose names are taken and without the last line of OpenMetrics."""
        ...


class _Breather:
    """Gives the interpreter to other threads once a millisecond, for a moment.

    A thread that has it is asked to let go after 5 ms only, each time anew: a page of 2000 histograms kept each request
    waiting for that long at every turn.
    """

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next = monotonic() + _HOLD_SECONDS

    def pause(self) -> None:
        """Sleep for a moment if it is time."""
        if monotonic() > self._next:
            sleep(_REST_SECONDS)
            self._next = monotonic() + _HOLD_SECONDS


def render(
    store: MetricStore, resource_attributes: Mapping[str, object], accept: str, clients: Clients | None = None
) -> tuple[bytes, str]:
    """Write the page.

    Args:
        store: The kit's metrics.
        resource_attributes: Become `target_info`.
        accept: The request's `Accept` header; OpenMetrics is sent only to who accepts it.
        clients: The service's own metrics; None if there are none.

    Returns:
        Body and content type.
    """
    wants_openmetrics = _accepts_openmetrics(accept)
    families = openmetrics.translate(store.snapshot())
    taken = {family.name for family in families}
    theirs = b"" if clients is None else clients.text(taken, store.warn, wants_openmetrics=wants_openmetrics)
    end = openmetrics.END if wants_openmetrics else ""
    ours = openmetrics.encode(
        families,
        resource_attributes,
        openmetrics=wants_openmetrics,
        pause=_Breather().pause,
        end="" if theirs else end,
    )
    # A page of 2000 series has 2 MB: no copy of it too many.
    body = b"".join((ours.encode(), theirs, end.encode())) if theirs else ours.encode()
    return body, openmetrics.OPENMETRICS_TYPE if wants_openmetrics else openmetrics.TEXT_TYPE


def render_combined(
    families: Sequence[Family], resource_attributes: Mapping[str, object], accept: str
) -> tuple[bytes, str]:
    """Write the page of several workers; `target_info` says what they share."""
    wants_openmetrics = _accepts_openmetrics(accept)
    shared = {name: value for name, value in resource_attributes.items() if name not in OF_ONE_PROCESS}
    shown, pause = openmetrics.translate(families), _Breather().pause
    end = openmetrics.END if wants_openmetrics else ""
    text = openmetrics.encode(shown, shared, openmetrics=wants_openmetrics, pause=pause, end=end)
    return text.encode(), openmetrics.OPENMETRICS_TYPE if wants_openmetrics else openmetrics.TEXT_TYPE


def _accepts_openmetrics(accept: str) -> bool:
    for media_range in accept[:MAX_ACCEPT_CHARACTERS].lower().split(","):
        media_type, *parameters = [part.strip() for part in media_range.split(";")]
        if media_type == "application/openmetrics-text":
            return not any(parameter in ("q=0", "q=0.0", "q=0.00", "q=0.000") for parameter in parameters)
    return False


def admits(token: str | None, authorization: str) -> bool:
    """Tell whether who sent this `Authorization` header may read the page; without a token everybody may."""
    if not token:
        return True
    scheme, _, given = authorization.partition(" ")
    return scheme.lower() == "bearer" and compare_digest(given.strip().encode("utf-8", "replace"), token.encode())
