"""Find the records of a block that match a LogQL query, column by column."""

from collections.abc import Callable, Mapping, Sequence

from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from clew_console.query.block_match import mask_of_pairs, spread, value_of
from clew_console.query.compare import compiled
from clew_console.query.logql import LineFilter, LogQuery, Matcher
from clew_console.store.log_block import LogBlock, head_record, level
from clew_console.store.resource import label_name
from clew_console.store.value import plain_text

Labels = Mapping[str, str]


class LogMatcher:
    """A query against the blocks of one segment.

    Args:
        query: Parsed.
        resources: Labels by resource id.
        scopes: Names by scope id.
    """

    def __init__(self, query: LogQuery, resources: Mapping[int, Labels], scopes: Mapping[int, str]) -> None:
        self._query = query
        self._resources = resources
        self._scopes = scopes
        self._chosen = {
            resource_id: all(one.matches(labels.get(one.label, "")) for one in query.selector)
            for resource_id, labels in resources.items()
        }

    def selects_nothing(self) -> bool:
        """Tell whether no resource of the segment passes the selector."""
        return not any(self._chosen.values())

    def mask(self, block: LogBlock) -> bytes:
        """Return a byte per record, 1 where it matches."""
        found = _number(spread([self._chosen[head.resource_id] for head in block.heads], block.head))
        for one in self._query.filters:
            if not found:
                break
            found &= _number(self._line(one, block) if isinstance(one, LineFilter) else self._label(one, block))
        return found.to_bytes(len(block), "little")

    @staticmethod
    def _line(one: LineFilter, block: LogBlock) -> bytes:
        test = _line_test(one)
        return spread([test(line) for line in block.bodies], block.body)

    def _label(self, one: Matcher, block: LogBlock) -> bytes:
        if one.label == "trace_id":
            return spread([one.matches(trace_id.hex()) for trace_id in block.trace_ids], block.trace)
        if one.label == "span_id":
            return bytes([one.matches(block.span_id(position).hex()) for position in range(len(block))])
        by_head = spread([self._head_matches(one, head) for head in block.heads], block.head)
        if one.label in _RECORD_LABELS:
            return by_head
        own = [
            (number, plain_text(value_of(pair)))
            for number, pair in enumerate(block.pairs)
            if _label_of(pair) == one.label
        ]
        if not own:
            return by_head
        has_own = _number(mask_of_pairs([number for number, _ in own], block))
        matching = _number(mask_of_pairs([number for number, text in own if one.matches(text)], block))
        return (matching | (_number(by_head) & ~has_own)).to_bytes(len(block), "little")

    def _head_matches(self, one: Matcher, head: object) -> bool:
        labels = self.head_labels(head)
        return one.matches(labels.get(one.label, ""))

    def head_labels(self, head: object) -> dict[str, str]:
        """Return the labels that the records of a head share."""
        resource_id, scope_id, _ = head  # type: ignore[misc]
        record = head_record(head)  # type: ignore[arg-type]
        labels = dict(self._resources[resource_id])
        if self._scopes.get(scope_id):
            labels["scope_name"] = self._scopes[scope_id]
        if record.severity_number:
            labels["severity_number"] = str(record.severity_number)
        if record.severity_text:
            labels["severity_text"] = record.severity_text
        return labels | {"detected_level": level(record)}


_RECORD_LABELS = frozenset({"detected_level", "severity_number", "severity_text"})


def _label_of(pair: bytes) -> str:
    return _label_of_key(pair[2 : 2 + pair[1]]) if pair[1] < 128 else label_name(KeyValue.FromString(pair).key)


def _label_of_key(key: bytes, known: dict[bytes, str] = {}) -> str:  # noqa: B006 - a memory of the names
    found = known.get(key)
    if found is None:
        if len(known) > 10_000:
            known.clear()
        found = known[key] = label_name(key.decode())
    return found


def _line_test(one: LineFilter) -> Callable[[str], bool]:
    if one.operator == "|=":
        return lambda line: one.value in line
    if one.operator == "!=":
        return lambda line: one.value not in line
    search = compiled(one.value).search
    if one.operator == "|~":
        return lambda line: search(line) is not None
    return lambda line: search(line) is None


def _number(mask: bytes) -> int:
    return int.from_bytes(mask, "little")


def positions(mask: bytes) -> Sequence[int]:
    """Return where the mask is 1."""
    return [position for position, one in enumerate(mask) if one]
