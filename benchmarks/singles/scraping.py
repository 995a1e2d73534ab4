"""How long `/metrics` of 2000 series takes, and what it keeps an event loop waiting, beside one that nobody scrapes.

The loop's wait is told by a tick each millisecond. The page is rendered in a thread, as the ASGI wrapper does it.
"""

import asyncio
import json
import time
from statistics import median

from opentelemetry import metrics

from instrumentation import instrument

SERIES = 2000
TIMES = 10
TICK_SECONDS = 0.001


async def _largest_wait(seconds: float) -> float:
    largest, end = 0.0, time.perf_counter() + seconds
    while (before := time.perf_counter()) < end:
        await asyncio.sleep(TICK_SECONDS)
        largest = max(largest, time.perf_counter() - before - TICK_SECONDS)
    return largest * 1000


async def _waits(page: object) -> dict[str, float]:
    control, during, took = [], [], []
    for _ in range(TIMES):
        control.append(await _largest_wait(0.05))
        watching = asyncio.create_task(_largest_wait(0.05))
        await asyncio.sleep(0)
        begin, cpu = time.perf_counter(), time.process_time()
        await asyncio.to_thread(page, "application/openmetrics-text")
        took.append((time.perf_counter() - begin, time.process_time() - cpu))
        during.append(await watching)
    return {
        "CPU of the page": min(cpu for _, cpu in took) * 1000,
        "until the page is there": median(seconds for seconds, _ in took) * 1000,
        "longest wait of the loop meanwhile, median": median(during),
        "the same without a scrape": median(control),
    }


def main() -> None:
    """Measure and print."""
    telemetry = instrument(service_name="bench")
    histogram = metrics.get_meter("bench").create_histogram("bench.duration", unit="s")
    for number in range(SERIES - 100):  # besides the process' own and the overflow
        histogram.record(0.1, {"number": number})
    print(json.dumps(asyncio.run(_waits(telemetry.page))))


if __name__ == "__main__":
    main()
