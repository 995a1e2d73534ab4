"""What was seen of one run."""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

from harness.load import Request
from harness.process import Resources
from harness.sink import Taken

SLICE_SECONDS = 3.0


@dataclass
class Side:
    """What was seen of one service: the one that is attacked, or its twin.

    Attributes:
        requests: Sent by the load.
        stalls: When its event loop came late by more than 50 ms, and by how many seconds.
        samples: What it held, by time.
        books: Its last ledger.
        taken: What its receiver was sent.
        stderr: What it wrote there.
        exit_seconds: From SIGTERM until it was gone.
        lines_before: Lines that it had written before this run.
        requests_before: Requests that it had served before.
    """

    requests: list[Request] = field(default_factory=list)
    stalls: list[tuple[float, float]] = field(default_factory=list)
    samples: list[tuple[float, Resources]] = field(default_factory=list)
    books: dict = field(default_factory=dict)
    taken: list[Taken] = field(default_factory=list)
    stderr: str = ""
    exit_seconds: float = 0.0
    lines_before: int = 0
    requests_before: int = 0

    def within(self, window):
        """Return the requests that were due in a window of time."""
        return [request for request in self.requests if window[0] <= request.due < window[1]]

    def p99_ms(self, window):
        """Return the 99th percentile of latency: of each three seconds of a window, and of those the middle one.

        So a moment at which the machine itself stood still, which hits one service or the other, weighs on neither.
        """
        slices = defaultdict(list)
        for request in self.within(window):
            slices[int((request.due - window[0]) / SLICE_SECONDS)].append(request.seconds)
        return percentile([percentile(slice_, 0.99) for slice_ in slices.values()], 0.5) * 1000

    def stalls_ms(self, window):
        """Return the lengths of the event loop's stalls in a window."""
        return [late * 1000 for at, late in self.stalls if window[0] <= at < window[1]]

    def held(self, window):
        """Return the samples of a window."""
        return [resources for at, resources in self.samples if window[0] <= at < window[1]]

    def cpu_share(self, window):
        """Return the share of one core that was used in a window."""
        held = self.held(window)
        return (held[-1].cpu_seconds - held[0].cpu_seconds) / (window[1] - window[0]) if held else 0.0

    def ids(self, signal_name):
        """Return the records that its receiver took, in order and as often as they came."""
        return [each for taken in self.taken if taken.signal == signal_name for each in taken.ids]


@dataclass
class Record:
    """A run: what was attacked, its twin, and when.

    Attributes:
        attacked: The service whose telemetry met the fault.
        twin: The same service under the same load at the same time, without the fault; None in a quick run.
        marks: Times at which the phases began, and the last one's end.
        resumed_seconds: From the end of the fault to the first delivery.
        files: Open descriptors and threads of the attacked service before the fault and at the end.
    """

    attacked: Side
    twin: Side | None
    marks: tuple[float, float, float, float]
    resumed_seconds: float = 0.0
    before: Resources | None = None
    after: Resources | None = None

    @property
    def fault_window(self):
        """From the fault's beginning to the end of the load."""
        return self.marks[1], self.marks[3]

    def figures(self):
        """Say in one line what the table shows."""
        window = self.fault_window
        requests = len(self.attacked.requests)
        text = f"{requests} requests, {sum(r.status != 200 for r in self.attacked.requests)} failed"
        if self.twin is not None:
            text += f"; p99 {self.attacked.p99_ms(window):.1f} ms (twin {self.twin.p99_ms(window):.1f})"
            text += f"; stalls {len(self.attacked.stalls_ms(window))} (twin {len(self.twin.stalls_ms(window))})"
            text += f"; RSS {max_rss(self.attacked, window) - max_rss(self.twin, window):+.1f} MiB"
        text += f"; resumed after {self.resumed_seconds:.1f} s; lost {json.dumps(losses(self.attacked.books)) or '0'}"
        return f"{text}; exit {self.attacked.exit_seconds:.1f} s".replace('"', "").replace("{}", "0")


def max_rss(side, window):
    """Return the most memory held in a window, MiB."""
    return max((resources.rss_mib for resources in side.held(window)), default=0.0)


def losses(books):
    """Return the records dropped, by signal and reason."""
    return {
        f"{signal} {reason}": count
        for signal, each in books.items()
        for reason, count in each["dropped"].items()
        if count
    }


def percentile(values, share):
    """Return the value below which that share lies; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def since(books, before):
    """Return what was added to the books after `before`, when nothing was queued; all, if that is None."""
    return (
        books
        if before is None
        else {
            signal: {
                **{name: each[name] - before[signal][name] for name in ("accepted", "delivered")},
                "queued": each["queued"],
                "dropped": {
                    reason: count - before[signal]["dropped"][reason] for reason, count in each["dropped"].items()
                },
            }
            for signal, each in books.items()
        }
    )


def lost(books, signal):
    """Return the reasons of a signal that have losses, with their numbers."""
    return {reason: count for reason, count in books[signal]["dropped"].items() if count}


def all_arrived(record):
    """Tell whether every span arrived; in a whole run, whose load may be more than memory holds, all that had room."""
    books = record.attacked.books["traces"]
    full = books["dropped"]["queue_full"] if record.twin is not None else 0
    return books["delivered"] + full == len(record.attacked.requests)


def repeated(values):
    """Return how many values of a list are repetitions."""
    ordered = sorted(map(str, values))
    return sum(one == next_one for one, next_one in pairwise(ordered))
