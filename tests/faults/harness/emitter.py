"""A program that makes spans until it is stopped, and tells of each that has ended, in a file.

`python -m harness.emitter FILE KIND`. A `script` leaves SIGTERM to the kit; a `worker` has a handler of its own, which
lets it finish what it is at, as Celery's does; one that is `interrupted` ends at Ctrl-C.
"""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

from harness.process import Program

PAUSE_SECONDS = 0.002


class Told(NamedTuple):
    """A span that ended: when, by the monotonic clock, and its id."""

    at: float
    span_id: str


class Emitter(Program):
    """The program, and what it told."""

    def __init__(self, directory, endpoint, kind="script", **environment):
        directory.mkdir(parents=True, exist_ok=True)
        self._file = directory / "told"
        self._file.touch()
        arguments = ("-m", "harness.emitter", self._file, kind)
        super().__init__(*arguments, directory=directory, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, **environment)

    def told(self):
        """Return the spans that it says have ended."""
        lines = self._file.read_text().split("\n")[:-1]
        return [Told(float(at), span_id) for at, span_id in map(str.split, lines)]

    def wait_for(self, count, seconds=90):
        """Wait until so many spans have ended."""
        end = time.monotonic() + seconds
        while len(self.told()) < count:
            assert self.popen.poll() is None, self.stderr()
            assert time.monotonic() < end, self.stderr()
            time.sleep(0.01)

    def books(self):
        """Return the ledger that it left at SIGTERM or at its end."""
        return json.loads((self.directory / "books").read_text())


def main(file, kind):
    """Make spans."""
    from instrumentation import get_logger, instrument, span

    stopping = threading.Event()

    def leave_books(number=None, _frame=None):
        telemetry.shutdown()
        Path("books").write_text(json.dumps(telemetry.ledger()))
        if number is not None:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    if kind == "script":
        signal.signal(signal.SIGTERM, leave_books)
    telemetry = instrument(service_name="emitter")
    if kind == "worker":
        signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    log = get_logger()
    told = os.open(file, os.O_WRONLY | os.O_APPEND)
    try:
        while not stopping.is_set():
            with span("unit") as unit:
                log.info("unit done")
            os.write(told, f"{time.monotonic()} {unit.span_id.hex()}\n".encode())
            time.sleep(PAUSE_SECONDS)
    except KeyboardInterrupt:
        return
    leave_books()


if __name__ == "__main__":
    main(*sys.argv[1:])
