"""Log records by column, as spans are in span_block.py."""

from array import array
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from clew_console.store.columns import Sections, joined, little, numbers, pack, parted, shuffled, unshuffled
from clew_console.store.value import plain_text, python_value

MAX_RECORDS = 2048
MAX_PAIRS = 60_000

LEVELS = ("trace", "debug", "info", "warn", "error", "fatal")
"""Loki's values of detected_level in the order of OTLP's severity numbers, four numbers each."""

_LEVEL_OF_TEXT = {"warning": "warn", "err": "error", "critical": "fatal", "information": "info"}
_NO_ID = bytes(8)


class LogHeadKey(NamedTuple):
    """What many records share. `fields` holds severity, flags and event name as encoded in a LogRecord."""

    resource_id: int
    scope_id: int
    fields: bytes


class LogBuilder:
    """Gathers records for one block. The scanner appends to its columns directly (log_scan.py)."""

    __slots__ = (
        "attribute_counts",
        "attributes",
        "bodies",
        "body",
        "head",
        "heads",
        "pairs",
        "span_ids",
        "times",
        "trace",
        "traces",
    )

    def __init__(self) -> None:
        self.heads: dict[LogHeadKey, int] = {}
        self.traces: dict[bytes, int] = {b"": 0}
        self.bodies: dict[bytes, int] = {}
        self.pairs: dict[bytes, int] = {}
        self.head: list[int] = []
        self.trace: list[int] = []
        self.body: list[int] = []
        self.times: list[int] = []
        self.span_ids: list[bytes] = []
        self.attribute_counts: list[int] = []
        self.attributes: list[int] = []

    def __len__(self) -> int:
        return len(self.head)

    def is_full(self) -> bool:
        """Tell whether the block should be closed."""
        return len(self.head) >= MAX_RECORDS or len(self.pairs) >= MAX_PAIRS

    def encode(self) -> bytes:
        """Return the block as one blob."""
        ordered = sorted(self.pairs)
        moved = [0] * len(ordered)
        for number, pair in enumerate(ordered):
            moved[self.pairs[pair]] = number
        heads, first_ns = list(self.heads), min(self.times)
        return pack(
            [
                *joined([_encode_head(head) for head in heads]),
                little(array("B" if len(heads) <= 256 else "H", self.head)),
                b"".join(self.traces),
                little(array("H", self.trace)),
                shuffled([first_ns, *(time_ns - first_ns for time_ns in self.times)]),
                b"".join(one or _NO_ID for one in self.span_ids),
                *joined(list(self.bodies)),
                little(array("H", self.body)),
                little(array("H", self.attribute_counts)),
                little(array("H", [moved[number] for number in self.attributes])),
                *joined(ordered),
            ]
        )


def _encode_head(head: LogHeadKey) -> bytes:
    return head.resource_id.to_bytes(4, "little") + head.scope_id.to_bytes(4, "little") + head.fields


def _decode_head(part: bytes) -> LogHeadKey:
    return LogHeadKey(int.from_bytes(part[:4], "little"), int.from_bytes(part[4:8], "little"), part[8:])


class LogBlock:
    """An encoded block of records. Each column is inflated when it is first asked for, and then kept."""

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
    def heads(self) -> list[LogHeadKey]:
        """What records share."""
        found = self._cached.get("heads")
        if found is None:
            parts = parted(self._sections[0], self._sections[1])
            found = self._keep("heads", [_decode_head(part) for part in parts])
        return found  # type: ignore[return-value]

    @property
    def head(self) -> Sequence[int]:
        """Per record the number of its head: bytes where there are at most 256."""
        return self._sections[2] if len(self.heads) <= 256 else numbers("H", self._sections[2])

    @property
    def trace_ids(self) -> list[bytes]:
        """The distinct trace ids; the first stands for none."""
        data = self._sections[3]
        return [b"", *(data[at : at + 16] for at in range(0, len(data), 16))]

    def _array(self, name: str, section: int) -> "array[int]":
        found = self._cached.get(name)
        if found is None:
            found = self._keep(name, numbers("H", self._sections[section]))
        return found  # type: ignore[return-value]

    @property
    def trace(self) -> "array[int]":
        """Per record the number of its trace id, 0 for none."""
        return self._array("trace", 4)

    @property
    def times(self) -> list[int]:
        """Per record its time in ns since 1970."""
        found = self._cached.get("times")
        if found is None:
            first_ns, *rest = unshuffled(self._sections[5])
            found = self._keep("times", [first_ns + one for one in rest])
        return found  # type: ignore[return-value]

    @property
    def span_ids(self) -> bytes:
        """Per record 8 bytes, zeros for none."""
        return self._sections[6]

    def span_id(self, position: int) -> bytes:
        """Return the id of a record's span, empty for none."""
        found = self._sections[6][8 * position : 8 * position + 8]
        return b"" if found == _NO_ID else found

    @property
    def bodies(self) -> list[str]:
        """The distinct lines."""
        found = self._cached.get("bodies")
        if found is None:
            parts = parted(self._sections[7], self._sections[8])
            found = self._keep("bodies", [plain_text(python_value(AnyValue.FromString(part))) for part in parts])
        return found  # type: ignore[return-value]

    @property
    def encoded_bodies(self) -> list[bytes]:
        """The distinct bodies as encoded AnyValues."""
        return parted(self._sections[7], self._sections[8])

    @property
    def body(self) -> "array[int]":
        """Per record the number of its line."""
        return self._array("body", 9)

    @property
    def offsets(self) -> list[int]:
        """Where each record's attributes begin in `attributes`; one more than there are records."""
        found = self._cached.get("offsets")
        if found is None:
            found = self._keep("offsets", [0, *accumulate(numbers("H", self._sections[10]))])
        return found  # type: ignore[return-value]

    @property
    def attributes(self) -> "array[int]":
        """The numbers of all records' attributes, one record after the other."""
        return self._array("attributes", 11)

    @property
    def attribute_bytes(self) -> bytes:
        """The same, two bytes each."""
        return self._sections[11]

    @property
    def pairs(self) -> list[bytes]:
        """The distinct attributes as encoded KeyValues, in order of their bytes."""
        found = self._cached.get("pairs")
        if found is None:
            found = self._keep("pairs", parted(self._sections[12], self._sections[13]))
        return found  # type: ignore[return-value]

    def pairs_of(self, position: int) -> list[bytes]:
        """Return one record's attributes as encoded KeyValues, in the order they came."""
        pairs, offsets = self.pairs, self.offsets
        return [pairs[number] for number in self.attributes[offsets[position] : offsets[position + 1]]]

    def copy_to(self, builder: LogBuilder) -> None:
        """Add the records to another block of the same segment."""
        trace_ids, bodies = self.trace_ids, self.encoded_bodies
        for position, number in enumerate(self.head):
            pairs, head, trace_id = self.pairs_of(position), self.heads[number], trace_ids[self.trace[position]]
            body = bodies[self.body[position]]
            builder.head.append(builder.heads.setdefault(head, len(builder.heads)))
            builder.trace.append(builder.traces.setdefault(trace_id, len(builder.traces)))
            builder.body.append(builder.bodies.setdefault(body, len(builder.bodies)))
            builder.times.append(self.times[position])
            builder.span_ids.append(self.span_id(position))
            builder.attribute_counts.append(len(pairs))
            builder.attributes.extend(builder.pairs.setdefault(pair, len(builder.pairs)) for pair in pairs)


def head_record(key: LogHeadKey) -> LogRecord:
    """Decode what records share."""
    return LogRecord.FromString(key.fields)


def level(record: LogRecord) -> str:
    """Return the record's level as Loki would detect it."""
    if 1 <= record.severity_number <= 24:
        return LEVELS[(record.severity_number - 1) // 4]
    text = record.severity_text.lower()
    text = _LEVEL_OF_TEXT.get(text, text)
    return text if text in LEVELS else "unknown"
