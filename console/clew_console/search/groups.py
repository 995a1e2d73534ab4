"""Spans grouped by one of their attributes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from clew_console.query.block_match import head_of
from clew_console.query.traceql import KIND, STATUS, Comparison, Condition
from clew_console.search.overview import Red, Tally
from clew_console.search.scan import Budget, Hit, scan
from clew_console.search.summary import root_of
from clew_console.search.time_range import TimeRange
from clew_console.store.directory import Directory
from clew_console.store.latency import bucket
from clew_console.store.span_block import HeadKey
from clew_console.store.term import key_prefix
from clew_console.store.value import plain_text, python_value

MOST_GROUPS = 50
BUDGET_SECONDS = 1.0

KIND_NAMES = {number: name for name, number in KIND.items()}
STATUS_NAMES = {number: name for name, number in STATUS.items()}


@dataclass(frozen=True, slots=True)
class Group:
    """The matching spans with one value; `value` is None for those without the attribute."""

    value: str | None
    total: Red


@dataclass(frozen=True, slots=True)
class Groups:
    """The most frequent groups; `is_complete` is False when only the newest spans were counted."""

    groups: list[Group]
    is_complete: bool


def trace_groups(
    directory: Directory, condition: Condition | None, when: TimeRange, by: Comparison, limit: int = MOST_GROUPS
) -> Groups:
    """Count the matching spans per value of what `by` names on its left side, the most frequent first.

    The answer takes a second at most, and then leaves the oldest spans out.

    Args:
        directory: What to read.
        condition: Which spans; None counts all.
        when: When they started.
        by: `parse_left("resource.service.name")`; its operator and value are not looked at.
        limit: How many groups at most.
    """
    tallies, budget = dict[str | None, Tally](), Budget(BUDGET_SECONDS)
    for hit in scan(directory, condition, when, partial(root_of, directory), budget):
        is_error = [head_of(head).status == 2 for head in hit.block.heads]
        head, durations = hit.block.head, hit.block.durations
        for position, value in zip(hit.positions, _values(by, hit), strict=True):
            tally = tallies.setdefault(value, Tally())
            tally.requests += 1
            tally.errors += is_error[head[position]]
            tally.durations[bucket(durations[position])] += 1
    groups = [Group(value, tally.red(when.start_ns)) for value, tally in tallies.items()]
    groups.sort(key=lambda group: (-group.total.requests, group.value or ""))
    return Groups(groups[:limit], not budget.is_spent)


def _values(by: Comparison, hit: Hit) -> Sequence[str | None]:
    block, head = hit.block, hit.block.head
    per_head = [_head_value(by, key, hit) for key in block.heads]
    found = [per_head[head[position]] for position in hit.positions]
    if by.scope in {"resource", "intrinsic"}:
        return found
    prefix = key_prefix(by.key)
    texts = {
        number: plain_text(python_value(KeyValue.FromString(pair).value))
        for number, pair in enumerate(block.pairs)
        if pair.startswith(prefix)
    }
    attributes, offsets = block.attributes, block.offsets
    for place, position in enumerate(hit.positions):
        own = [texts[one] for one in attributes[offsets[position] : offsets[position + 1]] if one in texts]
        found[place] = own[-1] if own else found[place]
    return found


def _head_value(by: Comparison, key: HeadKey, hit: Hit) -> str | None:
    if by.scope == "intrinsic":
        head = head_of(key)
        texts = {
            "name": head.name,
            "kind": KIND_NAMES.get(head.kind, str(head.kind)),
            "status": STATUS_NAMES.get(head.status, str(head.status)),
        }
        return texts.get(by.key)
    attributes = hit.reader.resources()[key.resource_id].attributes
    return plain_text(attributes[by.key]) if by.scope != "span" and by.key in attributes else None
