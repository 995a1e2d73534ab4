"""A wall clock that is off by what the file `offset` says, in seconds."""

import threading
import time
from pathlib import Path

OFFSET = Path("offset")
LOOK_SECONDS = 0.01
offset_ns = 0
time_ns, time_seconds = time.time_ns, time.time


def follow():
    """Take over the offset, soon after it changes."""
    global offset_ns  # noqa: PLW0603 one clock
    while True:
        offset_ns = int(float(OFFSET.read_text() or 0) * 1e9) if OFFSET.exists() else 0
        threading.Event().wait(LOOK_SECONDS)


time.time_ns = lambda: time_ns() + offset_ns
time.time = lambda: time_seconds() + offset_ns / 1e9
threading.Thread(target=follow, daemon=True).start()
