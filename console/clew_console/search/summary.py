"""A trace in one line: root, start, duration, services, errors."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from clew_console.query.span_match import Root
from clew_console.search.reader import connections
from clew_console.store.directory import Directory

ROOT_MISSING = "<root span not yet received>"
"""What Tempo calls a trace whose root has not come."""

_SELECT = """
SELECT s.start_ns, s.start_ns + s.duration_ns, s.is_root, s.status, n.value, r.service
FROM span s JOIN name n ON n.id = s.name_id JOIN resource r ON r.id = s.resource_id
WHERE s.trace_id = ?
"""


@dataclass(slots=True)
class TraceSummary:
    """What the rows of a trace add up to."""

    trace_id: bytes
    start_ns: int = 1 << 63
    end_ns: int = 0
    spans: int = 0
    errors: int = 0
    root: Root = field(default_factory=lambda: Root(None, None))
    services: set[str] = field(default_factory=set)

    @property
    def duration_ns(self) -> int:
        """From the first start to the last end."""
        return max(self.end_ns - self.start_ns, 0)


def summaries(directory: Directory, trace_ids: Iterable[bytes]) -> list[TraceSummary]:
    """Summarise the traces, in the order given, over all segments."""
    found = {trace_id: TraceSummary(trace_id) for trace_id in trace_ids}
    if not found:
        return []
    for connection in connections(directory):
        for summary in found.values():
            for row in connection.execute(_SELECT, (summary.trace_id,)):
                _add(summary, *row)
    return list(found.values())


def _add(summary: TraceSummary, start_ns: int, end_ns: int, is_root: int, status: int, name: str, service: str) -> None:
    summary.start_ns = min(summary.start_ns, start_ns)
    summary.end_ns = max(summary.end_ns, end_ns)
    summary.spans += 1
    summary.errors += status == 2
    summary.services.add(service)
    if is_root:
        summary.root = Root(name, service)
