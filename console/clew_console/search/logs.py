"""Find log lines by a LogQL query."""

from dataclasses import dataclass

from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from clew_console.query.logql import LogQuery
from clew_console.search.log_scan import LogHit, scan_logs
from clew_console.search.reader import connections
from clew_console.search.time_range import TimeRange
from clew_console.store.directory import Directory
from clew_console.store.resource import label_name
from clew_console.store.value import plain_text, python_value


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line with its labels: the resource's, and the record's own, which win."""

    time_ns: int
    level: str
    body: str
    labels: dict[str, str]

    @property
    def service(self) -> str:
        """The service that wrote it."""
        return self.labels["service_name"]


def find_logs(
    directory: Directory, query: LogQuery, when: TimeRange, limit: int, *, newest_first: bool = True
) -> list[LogLine]:
    """Return at most `limit` lines in order of time."""
    found = list[tuple[int, int, LogHit, int]]()
    sign = -1 if newest_first else 1

    def stop(time_ns: int) -> bool:
        if len(found) < limit:
            return False
        found.sort(key=lambda one: one[:2])
        del found[limit:]
        return sign * time_ns > found[-1][0]

    for number, hit in enumerate(scan_logs(directory, query, when, newest_first=newest_first, stop=stop)):
        times = hit.block.times
        found.extend((sign * times[one], sign * (number << 12 | one), hit, one) for one in hit.positions)
        if len(found) > 4 * limit + 4096:
            stop(0)
    found.sort(key=lambda one: one[:2])
    return [_line(hit, position) for _, _, hit, position in found[:limit]]


def _line(hit: LogHit, position: int) -> LogLine:
    block = hit.block
    labels = hit.matcher.head_labels(block.heads[block.head[position]])
    level = labels["detected_level"]
    for pair in map(KeyValue.FromString, block.pairs_of(position)):
        labels[label_name(pair.key)] = plain_text(python_value(pair.value))
    ids = {"trace_id": block.trace_ids[block.trace[position]], "span_id": block.span_id(position)}
    labels |= {key: value.hex() for key, value in ids.items() if value} | {"detected_level": level}
    return LogLine(block.times[position], level, block.bodies[block.body[position]], labels)


def label_values(directory: Directory) -> dict[str, set[str]]:
    """Return the resources' labels, each with its values."""
    found = dict[str, set[str]]()
    for reader in connections(directory):
        for row in reader.resources().values():
            for label, value in row.labels().items():
                found.setdefault(label, set()).add(value)
    return found
