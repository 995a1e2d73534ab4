"""How long the exporter holds the interpreter while 10 000 spans a second are sent to a server in another process.

A thread that only spins sees when it was kept away, and how much CPU the exporter's threads took in that time: a gap
that other processes made shows none. That CPU is the longest hold, or more: an exporter may hold it twice in a gap.
"""

import json
import os
import sys
import threading
import time
from subprocess import DEVNULL, Popen

from benchmarks.processes import LOAD_CORE, ROOT, free_port

SECONDS = 3.0
GAP_NS = 200_000
SPANS, PAUSE_SECONDS = 50, 0.005


class Spinner(threading.Thread):
    """Spins, and keeps the most CPU that others took in one gap.

    Attributes:
        hold_ms: That CPU.
        ended: Ends it.
    """

    def __init__(self, clocks: list[int]) -> None:
        super().__init__(daemon=True)
        self._clocks = clocks
        self.holds_ms: list[float] = []
        self.ended = False

    def run(self) -> None:
        """Spin until it is ended."""
        clock, read, clocks = time.perf_counter_ns, time.clock_gettime_ns, self._clocks
        last, cpu = clock(), sum(map(read, clocks))
        while not self.ended:
            now = clock()
            if now - last > GAP_NS:
                taken = sum(map(read, clocks)) - cpu
                self.holds_ms.append(min(taken, now - last) / 1e6)
                cpu += taken
            last = clock()


def _make_spans(seconds: float) -> None:
    from instrumentation import span  # noqa: PLC0415 wired by then

    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for _ in range(SPANS):
            with span("work", customer="c-1234", items=3, priority=True, total=12.5):
                pass
        time.sleep(PAUSE_SECONDS)


def main() -> None:
    """Measure and print."""
    port = free_port()
    sink = Popen(
        ["taskset", "-c", LOAD_CORE, sys.executable, "-m", "benchmarks.sink", str(port)], cwd=ROOT, stderr=DEVNULL
    )
    os.environ |= {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}", "OTEL_METRIC_EXPORT_INTERVAL": "1000"}
    from instrumentation import instrument  # noqa: PLC0415 reads the environment

    before = set(threading.enumerate())
    telemetry = instrument(service_name="bench")
    time.sleep(2)
    _make_spans(0.7)
    clocks = [time.pthread_getcpuclockid(each.ident) for each in set(threading.enumerate()) - before if each.ident]
    spinner = Spinner(clocks)
    spinner.start()
    _make_spans(SECONDS)
    spinner.ended = True
    spinner.join()
    telemetry.shutdown()
    sink.terminate()
    sink.wait()
    holds = sorted(spinner.holds_ms)
    print(json.dumps({"longest hold": holds[-1], "99th percentile of holds": holds[int(len(holds) * 0.99)]}))


if __name__ == "__main__":
    main()
