"""What changed: which attributes set a selection of traces apart from the others."""

import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from heapq import nsmallest

from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from clew_console.query.block_match import head_of
from clew_console.query.traceql import Condition
from clew_console.search.groups import KIND_NAMES, STATUS_NAMES
from clew_console.search.reader import connections
from clew_console.search.scan import Budget, Hit, scan
from clew_console.search.summary import blocks_of, root_of
from clew_console.search.time_range import TimeRange
from clew_console.store.directory import Directory
from clew_console.store.pool import SegmentReader
from clew_console.store.segment import Segment
from clew_console.store.span_block import SpanBlock, trace_order
from clew_console.store.value import plain_text, python_value

BUDGET_SECONDS = 0.7
MAX_TRACES = 1000
"""Compared on each side; of more a sample is drawn."""
FEW_TRACES = 200
"""Up to this many traces are looked up one by one, so that spans outside of the range count too."""
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
    chosen, compared, blocks = _traces(directory, selection, when, baseline)
    inside, outside = Counter[Fact](), Counter[Fact]()
    for trace_id, facts in _facts(directory, chosen | compared, blocks).items():
        (inside if trace_id in chosen else outside).update(facts)
    found = differences(inside, outside, len(chosen), len(compared), limit)
    return AttributeComparison(len(chosen), len(compared), found)


Blocks = dict[Segment, set[int]]


def _traces(
    directory: Directory, selection: Condition | None, when: TimeRange, baseline: Condition | None
) -> tuple[set[bytes], set[bytes], Blocks]:
    """Return a sample of the traces on both sides, and the blocks they were found in."""
    root = partial(root_of, directory)
    chosen, compared, blocks = set[bytes](), set[bytes](), Blocks()
    for hit in scan(directory, baseline, when, root, Budget(BUDGET_SECONDS)):
        blocks.setdefault(hit.reader.segment, set()).add(hit.block_id)
        compared.update(_trace_ids(hit))
        if len(compared) > 4 * MAX_TRACES:
            break
    for hit in scan(directory, selection, when, root, Budget(BUDGET_SECONDS)):
        blocks.setdefault(hit.reader.segment, set()).add(hit.block_id)
        chosen.update(_trace_ids(hit))
        if len(chosen) > MAX_TRACES:
            break
    return _sample(chosen), _sample(compared - chosen), blocks


def _trace_ids(hit: Hit) -> set[bytes]:
    trace, ids = hit.block.trace, hit.block.trace_ids
    return {ids[16 * number : 16 * number + 16] for number in {trace[position] for position in hit.positions}}


def _sample(trace_ids: set[bytes]) -> set[bytes]:
    return trace_ids if len(trace_ids) <= MAX_TRACES else set(nsmallest(MAX_TRACES, trace_ids, key=trace_order))


def _facts(directory: Directory, trace_ids: set[bytes], blocks: Blocks) -> dict[bytes, set[Fact]]:
    """Return what is true of any span of each trace."""
    found = {trace_id: set[Fact]() for trace_id in trace_ids}
    for reader in connections(directory):
        of_segment = set(blocks.get(reader.segment, ()))
        if len(trace_ids) <= FEW_TRACES:
            of_segment = {block_id for trace_id in trace_ids for block_id in blocks_of(reader, trace_id)}
        for block_id in of_segment:
            with contextlib.suppress(TypeError):  # a block that was merged into another since
                _add_facts(reader, reader.span_block(block_id), found)
    return found


def _add_facts(reader: SegmentReader, block: SpanBlock, found: dict[bytes, set[Fact]]) -> None:
    ids = block.trace_ids
    per_trace = [found.get(ids[at : at + 16]) for at in range(0, len(ids), 16)]
    of_pair = cache(partial(_pair_fact, block.pairs))
    of_head = cache(partial(_head_facts, reader, block))
    head, attributes, offsets = block.head, block.attributes, block.offsets
    for position, number in enumerate(block.trace):
        facts = per_trace[number]
        if facts is not None:
            facts.update(of_head(head[position]))
            facts.update(map(of_pair, attributes[offsets[position] : offsets[position + 1]]))


def _pair_fact(pairs: Sequence[bytes], number: int) -> Fact:
    pair = KeyValue.FromString(pairs[number])
    return "span", pair.key, plain_text(python_value(pair.value))[:MAX_VALUE_CHARACTERS]


def _head_facts(reader: SegmentReader, block: SpanBlock, number: int) -> frozenset[Fact]:
    head = head_of(block.heads[number])
    found: set[Fact] = {
        ("intrinsic", "name", head.name),
        ("intrinsic", "kind", KIND_NAMES.get(head.kind, str(head.kind))),
        ("intrinsic", "status", STATUS_NAMES.get(head.status, str(head.status))),
    }
    for key, value in reader.resources()[head.resource_id].attributes.items():
        found.add(("resource", key, plain_text(value)[:MAX_VALUE_CHARACTERS]))
    return frozenset(found)


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
