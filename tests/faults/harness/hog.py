"""A thread that holds the interpreter for seconds whenever the file `hog` exists."""

import threading
import time
from pathlib import Path

HOG = Path("hog")
HELD_SECONDS = 2
REST_SECONDS = 3
LOOK_SECONDS = 0.05


def measure():
    """Return a count whose sum takes the wanted time: one C call, during which no other thread runs."""
    started = time.perf_counter()
    sum(range(10**6))
    return int(10**6 * HELD_SECONDS / (time.perf_counter() - started))


def hold():
    """Hold, rest, hold."""
    while True:
        if HOG.exists():
            sum(range(measure()))
            time.sleep(REST_SECONDS)
        time.sleep(LOOK_SECONDS)


threading.Thread(target=hold, daemon=True).start()
