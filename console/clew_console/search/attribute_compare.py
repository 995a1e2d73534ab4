"""What changed: which attributes set a selection of traces apart from the others."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from clew_console.query.traceql import KIND, STATUS, Condition
from clew_console.search.scan import matches, scan
from clew_console.search.trace import FoundSpan
from clew_console.search.traces import TimeRange
from clew_console.store.directory import Directory
from clew_console.store.value import plain_text, python_attributes

MOST_ATTRIBUTES = 50
MAX_VALUE_CHARACTERS = 200

Fact = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """One value of an attribute, with the share (0 to 1) of the selected and of the other traces that have it.

    `scope` is span, resource or intrinsic, as TraceQL writes them.
    """

    scope: str
    key: str
    value: str
    selected: int
    others: int
    selected_share: float
    others_share: float

    @property
    def lift(self) -> float:
        """How much more often the selected have it: from -1, only the others, to 1, only and all of the selected."""
        return self.selected_share - self.others_share


@dataclass(frozen=True, slots=True)
class AttributeComparison:
    """How many traces were compared, and the values that differ most, the most telling first."""

    selected: int
    others: int
    differences: tuple[Difference, ...]


def attribute_compare(
    directory: Directory,
    selection: Condition | None,
    when: TimeRange,
    baseline: Condition | None = None,
    limit: int = MOST_ATTRIBUTES,
) -> AttributeComparison:
    """Compare the traces that have a span of the selection with those of the range that have none.

    All attributes of all spans of a trace count, so that the cause may be in another service than the symptom.

    Args:
        directory: What to read.
        selection: The slow or failing ones; None selects every trace, and leaves nothing to compare with.
        when: Start of the spans looked at.
        baseline: Compare only with traces that have a span like this, for example of the same root; None takes all.
        limit: How many differences.
    """
    facts = dict[bytes, set[Fact]]()
    chosen, compared = set[bytes](), set[bytes]()
    for found in scan(directory, when):
        trace_id = found.span.trace_id
        facts.setdefault(trace_id, set()).update(_facts(found))
        if matches(directory, selection, found):
            chosen.add(trace_id)
        elif baseline is None or matches(directory, baseline, found):
            compared.add(trace_id)
    compared -= chosen
    inside = Counter(fact for trace_id in chosen for fact in facts[trace_id])
    outside = Counter(fact for trace_id in compared for fact in facts[trace_id])
    return AttributeComparison(
        len(chosen), len(compared), differences(inside, outside, len(chosen), len(compared), limit)
    )


def differences(
    inside: Counter[Fact], outside: Counter[Fact], selected: int, others: int, limit: int
) -> tuple[Difference, ...]:
    """Return the facts whose shares differ most; those of a single trace tell nothing and are left out."""
    found = [
        Difference(
            *fact,
            inside[fact],
            outside[fact],
            inside[fact] / selected if selected else 0.0,
            outside[fact] / others if others else 0.0,
        )
        for fact in inside.keys() | outside.keys()
        if inside[fact] + outside[fact] > 1
    ]
    found = [one for one in found if one.lift]
    return tuple(sorted(found, key=lambda one: (-abs(one.lift), one.scope, one.key, one.value))[:limit])


_KIND_NAMES = {number: name for name, number in KIND.items()}
_STATUS_NAMES = {number: name for name, number in STATUS.items()}


def _facts(found: FoundSpan) -> Iterator[Fact]:
    span = found.span
    yield "intrinsic", "name", span.name
    yield "intrinsic", "kind", _KIND_NAMES.get(span.kind, str(span.kind))
    yield "intrinsic", "status", _STATUS_NAMES.get(span.status.code, str(span.status.code))
    for key, value in found.resource.attributes.items():
        yield "resource", key, plain_text(value)[:MAX_VALUE_CHARACTERS]
    for key, value in python_attributes(span.attributes).items():
        yield "span", key, plain_text(value)[:MAX_VALUE_CHARACTERS]
