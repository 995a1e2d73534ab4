"""Row 8: Python's counterparts of the goroutine count."""

import re
import signal
import threading
import time

SERVICE = """
import asyncio, gc, threading, time
from concurrent.futures import ThreadPoolExecutor
import anyio.to_thread
from fastapi import FastAPI
from instrumentation import instrument

app = FastAPI()
instrument(app, service_name="runtime")
release = threading.Event()
pool = ThreadPoolExecutor(1, thread_name_prefix="mail")

@app.get("/block")
async def block():
    time.sleep(0.3)

@app.get("/tasks")
async def tasks():
    app.state.tasks = [asyncio.create_task(asyncio.sleep(60)) for _ in range(50)]

@app.get("/pool")
async def fill_pool():
    for _ in range(4):
        pool.submit(release.wait)

@app.get("/one_thread")
async def one_thread():
    anyio.to_thread.current_default_thread_limiter().total_tokens = 2

@app.get("/wait")
def wait():
    release.wait(20)

@app.get("/release")
async def let_go():
    release.set()

@app.get("/collect")
async def collect():
    gc.collect()
"""

WORKER = """
import asyncio, time
from instrumentation import instrument

telemetry = instrument(service_name="worker")

async def main():
    await asyncio.sleep(0.1)
    time.sleep(0.3)
    page, _ = telemetry.page("")
    print(page.decode(), end="")

asyncio.run(main())
"""


def value(page, name, labels=""):
    """Return the value of a series on the page; None without one."""
    found = re.search(rf"^{name}{re.escape(labels)} (\S+)", page, re.MULTILINE)
    return float(found[1]) if found else None


def delays(otlp_sink):
    """Return the greatest loop delay of each export, in their order."""
    return [
        metric.gauge.data_points[0].as_double
        for metric in otlp_sink.records("metrics")
        if metric.name == "asyncio.eventloop.delay.max"
    ]


def test_a_blocking_call_shows_within_one_interval(serve_program, fetch, otlp_sink):
    """A call that blocks the loop for 300 ms is 0.25 s of delay or more in the export that follows; the mean rises."""
    process, url = serve_program(SERVICE, OTEL_METRIC_EXPORT_INTERVAL="1000")
    otlp_sink.wait_for(lambda: fetch(f"{url}/metrics") and len(delays(otlp_sink)) >= 1)
    before = len(delays(otlp_sink))
    calm = value(fetch(f"{url}/metrics")[0], "asyncio_eventloop_delay_mean_seconds")
    fetch(f"{url}/block")
    otlp_sink.wait_for(lambda: len(delays(otlp_sink)) > before)
    # The first export may have begun before the call.
    otlp_sink.wait_for(lambda: max(delays(otlp_sink)[before:]) >= 0.25, 2)
    page, _ = fetch(f"{url}/metrics")
    assert value(page, "asyncio_eventloop_delay_max_seconds") >= 0.25
    assert value(page, "asyncio_eventloop_delay_mean_seconds") > calm
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)


def test_a_loop_that_is_run_after_the_set_up_is_watched(run):
    """A worker without HTTP sets up first and runs its loop then: a call that blocks it shows as in a server."""
    status, page, errors = run(WORKER)
    assert status == 0, errors
    assert value(page, "asyncio_eventloop_delay_max_seconds") >= 0.25
    assert value(page, "asyncio_task_count") >= 1


def test_tasks_threads_queues_and_pauses_are_on_the_page(serve_program, fetch):
    """Tasks, threads, calls that wait for a thread, and garbage collections show as they are."""
    process, url = serve_program(SERVICE)
    before, _ = fetch(f"{url}/metrics")
    fetch(f"{url}/tasks")
    fetch(f"{url}/pool")
    fetch(f"{url}/one_thread")
    fetch(f"{url}/collect")
    callers = [threading.Thread(target=fetch, args=(f"{url}/wait",)) for _ in range(5)]
    for caller in callers:
        caller.start()
    waiting = _eventually(lambda: _settled(fetch, url))
    assert waiting == {"anyio": 3, "mail": 3}
    page, _ = fetch(f"{url}/metrics")
    assert value(page, "asyncio_task_count") >= 50 + value(before, "asyncio_task_count")
    assert value(page, "process_thread_count") > value(before, "process_thread_count")
    labels = '{cpython_gc_generation="2"}'
    assert value(page, "cpython_gc_duration_seconds_count", labels) >= 1
    assert value(page, "cpython_gc_duration_seconds_sum", labels) > 0
    assert value(page, "cpython_gc_tracked_objects") > 1000
    fetch(f"{url}/release")
    for caller in callers:
        caller.join()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)


def _settled(fetch, url):
    """Return the queue lengths once all five callers have arrived, two of them in the threads that there are."""
    page, _ = fetch(f"{url}/metrics")
    names = ("anyio", "mail")
    found = {name: value(page, "thread_pool_queue_length", f'{{thread_pool_name="{name}"}}') for name in names}
    return found if found == {"anyio": 3, "mail": 3} else None


def _eventually(read, seconds=15):
    end = time.monotonic() + seconds
    while (found := read()) is None and time.monotonic() < end:
        time.sleep(0.05)
    return found
