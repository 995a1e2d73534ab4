"""Spans by column: what repeats is kept once, what a search looks at lies together, what came can be given back."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, compress
from typing import NamedTuple

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from clew_console.store.columns import Sections, joined, little, numbers, pack, parted, shuffled, unshuffled
from clew_console.store.wire import prefixed

MAX_SPANS = 2048
"""A trace inflates each block it has a span in, in about 1 ms; smaller blocks compress worse."""
MAX_PAIRS = 60_000
"""Distinct attributes are numbered in 16 bits."""

_NO_PARENT = 0xFFFF
_OUTSIDE = 0x8000
_TIME_MASK = (1 << 64) - 1
_SIGN = 1 << 63


class HeadKey(NamedTuple):
    """What many spans share. `fields` holds name, kind, status, flags and counts as encoded in a Span."""

    resource_id: int
    scope_id: int
    is_root: bool
    fields: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """A decoded `HeadKey`."""

    resource_id: int
    scope_id: int
    is_root: bool
    name: str
    kind: int
    status: int


def decode_head(key: HeadKey) -> Head:
    """Decode what spans share."""
    span = Span.FromString(key.fields)
    return Head(key.resource_id, key.scope_id, key.is_root, span.name, span.kind, span.status.code)


class SpanBuilder:
    """Gathers spans for one block. The scanner appends to its columns directly (span_scan.py)."""

    __slots__ = (
        "attribute_counts",
        "attributes",
        "durations",
        "extra",
        "extras",
        "head",
        "heads",
        "pairs",
        "parents",
        "span_ids",
        "starts",
        "trace",
        "traces",
    )

    def __init__(self) -> None:
        self.heads: dict[HeadKey, int] = {}
        self.traces: dict[bytes, int] = {}
        self.pairs: dict[bytes, int] = {}
        self.extras: dict[bytes, int] = {b"": 0}
        self.head: list[int] = []
        self.trace: list[int] = []
        self.extra: list[int] = []
        self.span_ids: list[bytes] = []
        self.parents: list[bytes] = []
        self.starts: list[int] = []
        self.durations: list[int] = []
        self.attribute_counts: list[int] = []
        self.attributes: list[int] = []

    def __len__(self) -> int:
        return len(self.head)

    def is_full(self) -> bool:
        """Tell whether the block should be closed."""
        return len(self.head) >= MAX_SPANS or len(self.pairs) >= MAX_PAIRS

    def sorted_pairs(self) -> list[bytes]:
        """Put the pairs in order, by key, and renumber the attributes."""
        ordered = sorted(self.pairs)
        moved = [0] * len(ordered)
        for number, pair in enumerate(ordered):
            moved[self.pairs[pair]] = number
        self.attributes = [moved[number] for number in self.attributes]
        self.pairs = {pair: number for number, pair in enumerate(ordered)}
        return ordered

    def encode(self) -> bytes:
        """Return the block as one blob."""
        first_ns = min(self.starts)
        heads, pairs = list(self.heads), self.sorted_pairs()
        parent_column, outside = self._parents()
        return pack(
            [
                *joined([_encode_head(head) for head in heads]),
                little(array("B" if len(heads) <= 256 else "H", self.head)),
                b"".join(self.traces),
                little(array("H", self.trace)),
                shuffled([first_ns, *(start_ns - first_ns for start_ns in self.starts)]),
                shuffled(self.durations),
                b"".join(self.span_ids),
                parent_column,
                outside,
                little(array("H", self.attribute_counts)),
                little(array("H", self.attributes)),
                *joined(pairs),
                little(array("H", self.extra)),
                *joined(list(self.extras)),
            ]
        )

    def _parents(self) -> tuple[bytes, bytes]:
        places = {span_id: number for number, span_id in enumerate(self.span_ids)}
        outside, column = dict[bytes, int](), array("H")
        for parent in self.parents:
            if not parent:
                column.append(_NO_PARENT)
                continue
            place = places.get(parent)
            column.append(_OUTSIDE | outside.setdefault(parent, len(outside)) if place is None else place)
        return little(column), b"".join(outside)


def _encode_head(head: HeadKey) -> bytes:
    return (
        head.resource_id.to_bytes(4, "little")
        + head.scope_id.to_bytes(4, "little")
        + bytes((head.is_root,))
        + head.fields
    )


class SpanBlock:
    """An encoded block. Each column is inflated when it is first asked for, and then kept."""

    __slots__ = ("_cached", "_sections")

    def __init__(self, blob: bytes) -> None:
        self._sections = Sections(blob)
        self._cached: dict[str, object] = {}

    def __len__(self) -> int:
        return len(self.head)

    def _keep(self, name: str, value: object) -> object:
        self._cached[name] = value
        return value

    @property
    def heads(self) -> list[HeadKey]:
        """What spans share."""
        found = self._cached.get("heads")
        if found is None:
            parts = parted(self._sections[0], self._sections[1])
            found = self._keep("heads", [_decode_head(part) for part in parts])
        return found  # type: ignore[return-value]

    @property
    def head(self) -> Sequence[int]:
        """Per span the number of its head: bytes where there are at most 256."""
        data = self._sections[2]
        return data if len(self.heads) <= 256 else numbers("H", data)

    @property
    def trace_ids(self) -> bytes:
        """The distinct trace ids, 16 bytes each."""
        return self._sections[3]

    @property
    def trace(self) -> "array[int]":
        """Per span the number of its trace id."""
        return self._array("trace", "H", 4)

    def _array(self, name: str, typecode: str, section: int) -> "array[int]":
        found = self._cached.get(name)
        if found is None:
            found = self._keep(name, numbers(typecode, self._sections[section]))
        return found  # type: ignore[return-value]

    @property
    def starts(self) -> list[int]:
        """Per span its start in ns since 1970."""
        found = self._cached.get("starts")
        if found is None:
            first_ns, *rest = unshuffled(self._sections[5])
            found = self._keep("starts", [first_ns + one for one in rest])
        return found  # type: ignore[return-value]

    @property
    def durations(self) -> list[int]:
        """Per span end minus start in ns, 0 where the end is missing or before the start."""
        found = self._cached.get("durations")
        if found is None:
            found = self._keep("durations", [one if one < _SIGN else 0 for one in unshuffled(self._sections[6])])
        return found  # type: ignore[return-value]

    @property
    def span_ids(self) -> bytes:
        """Per span 8 bytes."""
        return self._sections[7]

    def span_id(self, position: int) -> bytes:
        """Return one span's id."""
        return self._sections[7][8 * position : 8 * position + 8]

    def trace_id(self, position: int) -> bytes:
        """Return one span's trace id."""
        at = 16 * self.trace[position]
        return self._sections[3][at : at + 16]

    def parent(self, position: int) -> bytes:
        """Return the id of one span's parent, empty for none."""
        place = self._array("parent", "H", 8)[position]
        if place == _NO_PARENT:
            return b""
        if place < _OUTSIDE:
            return self.span_id(place)
        at = 8 * (place & ~_OUTSIDE)
        return self._sections[9][at : at + 8]

    @property
    def offsets(self) -> list[int]:
        """Where each span's attributes begin in `attributes`; one more than there are spans."""
        found = self._cached.get("offsets")
        if found is None:
            found = self._keep("offsets", [0, *accumulate(numbers("H", self._sections[10]))])
        return found  # type: ignore[return-value]

    @property
    def attributes(self) -> "array[int]":
        """The numbers of all spans' attributes, one span after the other."""
        return self._array("attributes", "H", 11)

    @property
    def attribute_bytes(self) -> bytes:
        """The same, two bytes each."""
        return self._sections[11]

    @property
    def pairs(self) -> list[bytes]:
        """The distinct attributes as encoded KeyValues, in order of their bytes, and so by key."""
        found = self._cached.get("pairs")
        if found is None:
            found = self._keep("pairs", parted(self._sections[12], self._sections[13]))
        return found  # type: ignore[return-value]

    def pairs_of(self, position: int) -> list[bytes]:
        """Return one span's attributes as encoded KeyValues, in the order they came."""
        pairs, offsets = self.pairs, self.offsets
        return [pairs[number] for number in self.attributes[offsets[position] : offsets[position + 1]]]

    def further(self, position: int) -> bytes:
        """Return one span's trace state, events and links as encoded in a Span."""
        extras = self._cached.get("extras")
        if extras is None:
            extras = self._keep("extras", parted(self._sections[15], self._sections[16]))
        return extras[self._array("extra", "H", 14)[position]]  # type: ignore[index]

    def raw_duration(self, position: int) -> int:
        """Return end minus start modulo 2**64, from which the end comes back exactly."""
        return self._raw_durations()[position]

    def _raw_durations(self) -> "array[int]":
        found = self._cached.get("raw_durations")
        if found is None:
            found = self._keep("raw_durations", unshuffled(self._sections[6]))
        return found  # type: ignore[return-value]

    def encoded_span(self, position: int) -> bytes:
        """Return the span as it came; fields may stand in another order."""
        start_ns, parent = self.starts[position], self.parent(position)
        end_ns = (start_ns + self.raw_duration(position)) & _TIME_MASK
        return b"".join(
            (
                b"\x0a\x10",
                self.trace_id(position),
                b"\x12\x08",
                self.span_id(position),
                prefixed(b"\x22", parent) if parent else b"",
                self.heads[self.head[position]].fields,
                b"\x39" + start_ns.to_bytes(8, "little") if start_ns else b"",
                b"\x41" + end_ns.to_bytes(8, "little") if end_ns else b"",
                *(prefixed(b"\x4a", pair) for pair in self.pairs_of(position)),
                self.further(position),
            )
        )

    def span(self, position: int) -> Span:
        """Return the span decoded."""
        return Span.FromString(self.encoded_span(position))

    def positions_of(self, trace_id: bytes) -> list[int]:
        """Return where the spans of a trace are, in the order they came."""
        at = self.trace_ids.find(trace_id)
        while at >= 0 and at % 16:
            at = self.trace_ids.find(trace_id, at + 1)
        if at < 0:
            return []
        number = at // 16
        return [position for position, one in enumerate(self.trace) if one == number]

    def copy_to(self, builder: SpanBuilder, positions: Sequence[int] | None = None) -> None:
        """Add the spans to another block of the same segment."""
        for position in range(len(self)) if positions is None else positions:
            head = self.heads[self.head[position]]
            trace_id, extra = self.trace_id(position), self.further(position)
            pairs = self.pairs_of(position)
            builder.head.append(builder.heads.setdefault(head, len(builder.heads)))
            builder.trace.append(builder.traces.setdefault(trace_id, len(builder.traces)))
            builder.extra.append(builder.extras.setdefault(extra, len(builder.extras)))
            builder.span_ids.append(self.span_id(position))
            builder.parents.append(self.parent(position))
            builder.starts.append(self.starts[position])
            builder.durations.append(self.raw_duration(position))
            builder.attribute_counts.append(len(pairs))
            builder.attributes.extend(builder.pairs.setdefault(pair, len(builder.pairs)) for pair in pairs)


def chosen(mask: bytes) -> Iterator[int]:
    """Yield the positions whose byte is not 0."""
    return compress(range(len(mask)), mask)


def _decode_head(part: bytes) -> HeadKey:
    return HeadKey(int.from_bytes(part[:4], "little"), int.from_bytes(part[4:8], "little"), bool(part[8]), part[9:])


def trace_order(trace_id: bytes) -> int:
    """Return a number that draws traces at random, and always the same ones; ids are random in their last 7 bytes."""
    return int.from_bytes(trace_id[8:][::-1], "big")
