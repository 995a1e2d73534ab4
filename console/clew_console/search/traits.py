"""What sets chosen traces apart from others, service by service: who ran, what it was about, what happened.

Beside `attribute_compare`, which counts values over all spans of a time, this reads a bounded number of whole traces
and keeps apart what each service says.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from clew_console.search.trace import FoundSpan, find_trace
from clew_console.store.directory import Directory
from clew_console.store.value import Value, plain_text, python_attributes

MAX_VALUE_CHARACTERS = 200
MIN_DIFFERENCE = 0.1
MIN_SHOWN = 0.05
MIN_PRESENCE = 0.1
"""Share of the traces of a side that must have a span of a service for its attributes to be compared."""
TOP_VALUES = 5

_IDENTITIES = frozenset({"request_id", "messaging.message.id", "messaging.message.conversation_id", "thread.id"})
"""Different in every trace by their nature."""
_OF_A_RUN = frozenset({"service.instance.id", "process.pid", "host.name", "host.id", "container.id"})
_ENTRIES = (Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CONSUMER)
_TELLING = ("service.version", "deployment", "error.type", "customer", "tenant", "status_code", "service.instance.id")
_DULL = ("process.", "server.port", "client.port", "network.", "messaging.", "db.", "thread.", "code.", "rpc.system")
"""Starts of keys that mostly follow from what happened."""


@dataclass(frozen=True, slots=True, order=True)
class Trait:
    """Something a trace can have: an attribute of a service's resource or spans, or an operation."""

    scope: str
    service: str
    key: str


@dataclass(frozen=True, slots=True)
class ValueShares:
    """In which share of the traces this value occurs, 0 to 1."""

    value: str
    selected: float
    others: float

    @property
    def difference(self) -> float:
        """How much more frequent it is among the selected; negative when less."""
        return self.selected - self.others


@dataclass(frozen=True, slots=True)
class Difference:
    """A trait whose values are distributed differently, with its most different values."""

    trait: Trait
    values: list[ValueShares]

    @property
    def score(self) -> float:
        """The greatest difference of a value, 0 to 1."""
        return max(abs(one.difference) for one in self.values)


_Sides = tuple[Counter[tuple[Trait, str]], Counter[tuple[Trait, str]]]
_Services = tuple[Counter[str], ...]


def compare_traits(directory: Directory, selected: list[bytes], others: list[bytes]) -> list[Difference]:
    """Return the traits that differ most first; both sides are trace ids.

    A share is of the traces that have a span of the trait's service at all. Values that only one trace has, as ids do,
    and services that hardly occur on one side say nothing about their attributes.
    """
    return compare_stores((directory, selected), (directory, others))


Chosen = tuple[Directory, list[bytes]]
"""A store with the ids of traces in it."""


def compare_stores(selected: Chosen, others: Chosen) -> list[Difference]:
    """Do the same with traces of two stores, or of one."""
    sides = [_traits(directory, set(trace_ids)).values() for directory, trace_ids in (selected, others)]
    counts = Counter(chain.from_iterable(sides[0])), Counter(chain.from_iterable(sides[1]))
    services = tuple(
        Counter(name for of_trace in side for name in {one.service for one, _ in of_trace}) for side in sides
    )
    return _ranked(counts, services, (max(len(selected[1]), 1), max(len(others[1]), 1)))


def is_of_a_run(trait: Trait) -> bool:
    """Tell whether an attribute is different in every run by its nature."""
    return trait.key in _OF_A_RUN


def _ranked(counts: _Sides, services: _Services, traces: tuple[int, int]) -> list[Difference]:
    values = dict[Trait, list[ValueShares]]()
    for trait, value in {**counts[0], **counts[1]}:
        of = traces if trait.scope == "operation" else (services[0][trait.service], services[1][trait.service])
        if min(of[0] / traces[0], of[1] / traces[1]) >= MIN_PRESENCE:
            shares = ValueShares(value, counts[0][trait, value] / of[0], counts[1][trait, value] / of[1])
            values.setdefault(trait, []).append(shares)
    ranked = [
        Difference(trait, sorted(of_trait, key=lambda one: (-abs(one.difference), one.value)))
        for trait, of_trait in values.items()
        if not _is_unique(counts, trait, of_trait, sum(traces))
    ]
    telling = (_cut(one) for one in ranked if one.score >= MIN_DIFFERENCE)
    return sorted(telling, key=lambda one: (-round(one.score, 2), _priority(one.trait.key), one.trait))


def _cut(one: Difference) -> Difference:
    return Difference(one.trait, [value for value in one.values if abs(value.difference) >= MIN_SHOWN][:TOP_VALUES])


def _priority(key: str) -> int:
    """Return the place of a key among equals: what people can act on first."""
    return next((place for place, word in enumerate(_TELLING) if word in key), len(_TELLING) + key.startswith(_DULL))


def is_consequence(trait: Trait) -> bool:
    """Tell whether an attribute mostly follows from what happened, so that it explains little."""
    return trait.key.startswith(_DULL)


def _is_unique(counts: _Sides, trait: Trait, values: list[ValueShares], traces: int) -> bool:
    """Tell whether nearly every trace has a value of its own, as ids do."""
    if traces < 4 or len(values) < 4:
        return False
    occurrences = sum(counts[0][trait, one.value] + counts[1][trait, one.value] for one in values)
    return len(values) > 0.5 * occurrences


def _traits(directory: Directory, trace_ids: set[bytes]) -> dict[bytes, set[tuple[Trait, str]]]:
    found = dict[bytes, set[tuple[Trait, str]]]()
    for trace_id in trace_ids:
        found[trace_id] = {trait for one in find_trace(directory, trace_id) for trait in _of_span(one)}
    return found


def _of_span(one: FoundSpan) -> Iterator[tuple[Trait, str]]:
    span, service = one.span, one.resource.service
    yield Trait("operation", service, "name"), span.name
    if span.status.message:
        yield Trait("operation", service, "status message"), span.status.message[:MAX_VALUE_CHARACTERS]
    # Who handled the request says where it ran; a replica that only relays another's messages does not.
    if span.kind in _ENTRIES or not span.parent_span_id:
        yield from _pairs("resource", service, one.resource.attributes)
    yield from _pairs("span", service, python_attributes(span.attributes))


def _pairs(scope: str, service: str, attributes: Mapping[str, Value]) -> Iterator[tuple[Trait, str]]:
    for key, value in attributes.items():
        if key not in _IDENTITIES and key != "service.name":
            yield Trait(scope, service, key), plain_text(value)[:MAX_VALUE_CHARACTERS]
