"""What one transaction writes: the blocks being filled, and the counts."""

from clew_console.store.edges import Edges
from clew_console.store.identities import Identities
from clew_console.store.log_block import LogBuilder
from clew_console.store.log_scan import scan_logs
from clew_console.store.merge import insert_logs, insert_spans, merge_small
from clew_console.store.rollup import Rollup
from clew_console.store.span_block import SpanBuilder
from clew_console.store.span_scan import scan_spans


class Pending:
    """Rows of one transaction. If it is rolled back, make a new one.

    Args:
        identities: Of the segment that is written.
        edges: What the writer remembers of calls.
    """

    def __init__(self, identities: Identities, edges: Edges) -> None:
        self.identities = identities
        self._rollup = Rollup(identities, edges)
        self._spans = SpanBuilder()
        self._logs = LogBuilder()

    def add_traces(self, data: bytes) -> None:
        """Add the spans of an encoded ExportTraceServiceRequest."""
        scan_spans(data, self.identities.emitter, self._spans, self._close_spans)

    def add_logs(self, data: bytes) -> None:
        """Add the records of an encoded ExportLogsServiceRequest."""
        scan_logs(data, self.identities.emitter, self._logs, self._close_logs)

    def finish(self) -> None:
        """Write what is not in a full block yet; merge small blocks when there are many."""
        self._close_spans()
        self._close_logs()
        self._rollup.write()
        merge_small(self.identities.connection)

    def _close_spans(self) -> SpanBuilder:
        if self._spans.head:
            self._rollup.add(self._spans, self._spans.sorted_pairs())
            insert_spans(self.identities.connection, self._spans)
        self._spans = SpanBuilder()
        return self._spans

    def _close_logs(self) -> LogBuilder:
        if self._logs.head:
            insert_logs(self.identities.connection, self._logs)
        self._logs = LogBuilder()
        return self._logs
