"""Find the spans of a block that match a TraceQL condition, column by column.

A mask is a number with one byte per span, 1 where it matches: `&` and `|` of two thousand spans are one operation.
"""

import struct
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import repeat

from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from clew_console.query.compare import ORDER, matches
from clew_console.query.traceql import Comparison, Condition
from clew_console.store.resource import ResourceRow
from clew_console.store.span_block import Head, HeadKey, SpanBlock, decode_head
from clew_console.store.term import equal_pairs, key_prefix, may_hold, value_tag
from clew_console.store.value import Value, python_value

_FEW = 16
_ARRAY_TAGS = (0x2A, 0x32)
head_of: Callable[[HeadKey], Head] = lru_cache(maxsize=10_000)(decode_head)
"""What spans share repeats from block to block."""
value_of: Callable[[bytes], Value] = lru_cache(maxsize=10_000)(
    lambda pair: python_value(KeyValue.FromString(pair).value)
)


def needs_root(condition: Condition | None) -> bool:
    """Tell whether the condition asks for the trace's root, which may be in another block."""
    if condition is None:
        return False
    if isinstance(condition, Comparison):
        return condition.key in {"rootName", "rootServiceName"} and condition.scope == "intrinsic"
    return any(needs_root(part) for part in condition.parts)


def may_match(condition: Condition | None, found: bytes, longest_ns: int, resources: Mapping[int, ResourceRow]) -> bool:
    """Tell from a block's filter and its longest duration whether a span in it can match."""
    if condition is None:
        return True
    if not isinstance(condition, Comparison):
        parts = (may_match(part, found, longest_ns, resources) for part in condition.parts)
        return all(parts) if condition.operator == "&&" else any(parts)
    if condition.scope == "intrinsic":
        if condition.key != "duration" or condition.operator not in {">", ">=", "="}:
            return True
        return matches(longest_ns, ">" if condition.operator == ">" else ">=", condition.value)
    in_resource = condition.scope != "span" and any(
        matches(row.attributes.get(condition.key), condition.operator, condition.value) for row in resources.values()
    )
    if in_resource or condition.scope == "resource":
        return in_resource
    if condition.operator == "=":
        return any(may_hold(found, pair) for pair in equal_pairs(condition.key, condition.value))
    return may_hold(found, key_prefix(condition.key))


class Matcher:
    """A condition against the blocks of one segment. Comparisons with the root count as true: see `needs_root`."""

    def __init__(self, condition: Condition | None, resources: Mapping[int, ResourceRow]) -> None:
        self.condition = condition
        self._resources = resources
        self._known: dict[tuple[Comparison, HeadKey], bool] = {}

    def mask(self, block: SpanBlock) -> bytes:
        """Return a byte per span, 1 where it matches."""
        if self.condition is None:
            return b"\x01" * len(block)
        return self._mask(self.condition, block).to_bytes(len(block), "little")

    def _mask(self, condition: Condition, block: SpanBlock) -> int:
        if isinstance(condition, Comparison):
            return int.from_bytes(self._comparison(condition, block), "little")
        found = self._mask(condition.parts[0], block)
        for part in condition.parts[1:]:
            if condition.operator == "&&":
                if not found:
                    return 0
                found &= self._mask(part, block)
            else:
                found |= self._mask(part, block)
        return found

    def _comparison(self, one: Comparison, block: SpanBlock) -> bytes:
        if one.scope == "intrinsic":
            if one.key in {"rootName", "rootServiceName"}:
                return b"\x01" * len(block)
            if one.key == "duration":
                return bytes(map(ORDER[one.operator], block.durations, repeat(one.value)))
            return self._by_head(one, block)
        in_resource = self._by_head(one, block) if one.scope != "span" else b""
        in_span = attribute_mask(one, block) if one.scope != "resource" else b""
        if not in_resource or not in_span:
            return in_resource or in_span
        joint = int.from_bytes(in_resource, "little") | int.from_bytes(in_span, "little")
        return joint.to_bytes(len(block), "little")

    def _by_head(self, one: Comparison, block: SpanBlock) -> bytes:
        return spread([self._head_matches(one, head) for head in block.heads], block.head)

    def _head_matches(self, one: Comparison, key: HeadKey) -> bool:
        found = self._known.get((one, key))
        if found is None:
            if one.scope == "intrinsic":
                value: Value = getattr(head_of(key), one.key)
            else:
                value = self._resources[key.resource_id].attributes.get(one.key)
            found = self._known[one, key] = matches(value, one.operator, one.value)
        return found


def spread(per_number: Sequence[bool], column: Sequence[int]) -> bytes:
    """Return a byte per item of the column: what its number has."""
    if isinstance(column, bytes):
        return column.translate(bytes(per_number).ljust(256, b"\0"))
    return bytes([per_number[number] for number in column])


def attribute_mask(one: Comparison, block: SpanBlock) -> bytes:
    """Return a byte per span: 1 where an attribute of its own satisfies the comparison."""
    return mask_of_pairs(matching_pairs(one, block.pairs), block)


def matching_pairs(one: Comparison, pairs: Sequence[bytes]) -> list[int]:
    """Return the numbers of the pairs, which are in order, that satisfy the comparison."""
    prefix = key_prefix(one.key)
    first, last = bisect_left(pairs, prefix), bisect_right(pairs, prefix + b"\xff")
    if one.operator == "=":
        equal, size = equal_pairs(one.key, one.value), len(prefix)
        return [
            number
            for number in range(first, last)
            if pairs[number] in equal
            or (value_tag(pairs[number], size) in _ARRAY_TAGS and matches(value_of(pairs[number]), "=", one.value))
        ]
    return [number for number in range(first, last) if matches(value_of(pairs[number]), one.operator, one.value)]


def mask_of_pairs(numbers: Sequence[int], block: SpanBlock) -> bytes:
    """Return a byte per span: 1 where it has one of these attributes."""
    found = bytearray(len(block))
    if not numbers:
        return bytes(found)
    for place in _places(numbers, block):
        found[bisect_right(block.offsets, place) - 1] = 1
    return bytes(found)


def _places(numbers: Sequence[int], block: SpanBlock) -> list[int]:
    """Return where in the block's list of attributes these are."""
    if len(numbers) > _FEW:
        wanted = set(numbers)
        return [place for place, number in enumerate(block.attributes) if number in wanted]
    data, places = block.attribute_bytes, list[int]()
    for number in numbers:
        pattern = struct.pack("<H", number)
        at = data.find(pattern)
        while at >= 0:
            if not at & 1:
                places.append(at >> 1)
            at = data.find(pattern, at + 1)
    return places
