"""Hold the records of one export request while it is tried."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from instrumentation.pipeline.queue import RECORD_OVERHEAD_BYTES, total
from instrumentation.signals.sink import Record


@dataclass(slots=True)
class Batch:
    """Records that are sent, tried again, halved and settled together.

    Attributes:
        records: Scope and record messages.
        count: What they count in the ledger: for metrics their points, else their number.
        give_up_at: `time.monotonic()` value after which it is dropped as timed out; None before the first attempt.
        attempts: Failed attempts so far.
        resource: Of the process that recorded it, if that may have been another.
    """

    records: list[Record]
    count: int
    give_up_at: float | None = None
    attempts: int = 0
    resource: bytes = b""

    def held_bytes(self) -> int:
        """Count the memory of the records."""
        return total(len(record) + RECORD_OVERHEAD_BYTES for _, record in self.records)

    def by_scope(self) -> dict[bytes, list[bytes]]:
        """Group the records for the encoder, in order."""
        groups: dict[bytes, list[bytes]] = {}
        for scope, record in self.records:
            groups.setdefault(scope, []).append(record)
        return groups

    def halves(self) -> tuple["Batch", "Batch"]:
        """Split in two; a metric's points are shared out in proportion, their sum kept."""
        middle = len(self.records) // 2
        first = self.count * middle // len(self.records)
        return (
            replace(self, records=self.records[:middle], count=first),
            replace(self, records=self.records[middle:], count=self.count - first),
        )


def from_scopes(groups: Mapping[bytes, Sequence[bytes]], count: int) -> Batch:
    """Make a batch of records that come grouped by scope."""
    return Batch([(scope, record) for scope, records in groups.items() for record in records], count)
