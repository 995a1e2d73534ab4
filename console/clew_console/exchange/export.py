"""Write a run to a file."""

import json
import re
import time
from collections.abc import Iterator

from clew_console.exchange.format import Frame, RunEncoder
from clew_console.exchange.requests import log_frames, point_frames, span_frames
from clew_console.search.reader import Deadline, connections
from clew_console.search.run_summary import run_summary
from clew_console.store.directory import Directory
from clew_console.store.runs import Run

EXPORT_SECONDS = 3600.0
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


def export_run(run: Run, directory: Directory) -> Iterator[bytes]:
    """Yield the file piece by piece: all that is stored when its turn comes, the newest segment first."""
    encoder = RunEncoder()
    yield encoder.begin()
    started_ns = run.started_ns or run_summary(directory).first_ns
    about = {"name": run.name or "unnamed", "started_ns": started_ns, "exported_ns": time.time_ns()}
    yield encoder.add(Frame("about", 0, json.dumps(about).encode()))
    for reader in connections(directory, Deadline(EXPORT_SECONDS)):
        for frames in (span_frames(reader), log_frames(reader), point_frames(reader)):
            yield from filter(None, map(encoder.add, frames))
    yield encoder.end()


def file_name(run: Run) -> str:
    """Return what a run's file is called."""
    return f"{_NOT_IN_NAMES.sub('-', run.name or 'unnamed').strip('-.')[:60] or 'run'}.clew"
