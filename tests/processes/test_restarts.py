"""Workers that are replaced again and again: the page stays exact, quick and of one size."""

import json
import os
import signal
import sys

import httpx
import pytest

from tests.processes.conftest import FLASK, value

SUPERVISOR = """
import json, os, signal, socket, sys, time
from opentelemetry import metrics
from instrumentation import instrument, span

telemetry = instrument(service_name="restarts")
listening = socket.socket()
listening.bind(("127.0.0.1", 0))
listening.listen()
counter = metrics.get_meter("m").create_counter("orders")
latency = metrics.get_meter("m").create_histogram("latency")

def worker(number):
    # The parent holds the socket too, so this is a worker of its; a flush stands for the server's shutdown.
    telemetry._workers.join()
    for _ in range(10):
        with span("order"):
            counter.add(1, {"of": "all"})
            latency.record(number % 7, {"of": "all"})
    if number % 3 == 0:
        telemetry.flush(5)  # a kill takes the last second's spans, which exemplars name
        telemetry._workers.publish()
        os.kill(os.getpid(), signal.SIGKILL)
    telemetry._leave()
    os._exit(0)

def page():
    return telemetry.page("application/openmetrics-text")[0].decode()

def value(text, name):
    return sum(float(line.split(" # ")[0].rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))

def files():
    where = f"/dev/shm/clew-{os.geteuid()}"
    return [f"{where}/{name}" for name in os.listdir(where) if name.split("-")[1] == str(os.getpid())]

restarts, living, shown, slowest, sizes = int(sys.argv[1]), [], 0, 0.0, []
for number in range(4 * restarts):
    pid = os.fork()
    if pid == 0:
        worker(number)
    living.append(pid)
    if len(living) == 4:
        os.waitpid(living.pop(0), 0)
    if number % max(1, restarts // 20) == 0:
        began = time.thread_time()  # nothing in a scrape waits; a busy machine's clock would measure its neighbours
        text = page()
        slowest = max(slowest, time.thread_time() - began)
        now = value(text, "orders_total")
        assert now >= shown, (now, shown)
        assert value(text, "latency_count") == now
        shown = now
        sizes.append(sum(os.stat(file).st_blocks for file in files()))
for pid in living:
    os.waitpid(pid, 0)
text = page()
buckets = [line for line in text.splitlines() if line.startswith("latency_bucket")]
exemplars = [line.split('trace_id="')[1][:32] for line in buckets if "# {" in line]
print("RESULT", json.dumps({
    "orders": value(text, "orders_total"), "latency": value(text, "latency_count"), "exemplars": exemplars,
    "slowest": slowest, "sizes": sizes, "files": len(files()),
}), flush=True)
"""


@pytest.mark.parametrize("restarts", [20, pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_workers_that_come_and_go(restarts, run, otlp_sink):
    """Four workers at a time, replaced over and over, a third of them killed: exact counts, one file of one size."""
    process = run(SUPERVISOR, wait=False, command=[sys.executable, "program.py", str(restarts)])
    out, err = process.communicate(timeout=800)
    assert process.returncode == 0, err
    result = json.loads(next(line for line in out.splitlines() if line.startswith("RESULT"))[6:])
    print(f"slowest scrape {1000 * result['slowest']:.0f} ms of CPU, {result['sizes'][-1] / 2:.0f} KiB on disk")
    assert (result["orders"], result["latency"]) == (40 * restarts, 40 * restarts)
    assert result["files"] == 1
    # The file may grow while its first places are taken; after that nothing is added.
    later = result["sizes"][len(result["sizes"]) // 4 :]
    assert max(later) <= 1.5 * min(later)
    assert result["slowest"] <= 0.1
    assert result["exemplars"]
    otlp_sink.wait_for(lambda: set(result["exemplars"]) <= {s.trace_id.hex() for s in otlp_sink.records("traces")}, 60)


@pytest.mark.slow
def test_replaced_and_frozen_workers_of_a_server(serve, otlp_sink, files_of):
    """Workers of a server are ended, killed and stopped: no page is late, no count falls, exemplars resolve."""
    server = serve("gunicorn", FLASK, "--workers", "3", "--preload", "--timeout", "60")
    server.wait_until_served(3)
    server.wait_for_orders(server.served)
    shown = server.served
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
        server.wait_for_published()  # a worker that is killed may lose its last second
        os.kill(server.workers()[0].pid, number)
        server.wait_until_served(3)
        now, _ = server.orders()
        assert now >= shown
        shown = now
    server.wait_for_orders(server.served)
    stopped = server.workers()[0].pid
    os.kill(stopped, signal.SIGSTOP)
    try:
        answered = 0
        for _ in range(12):
            try:
                page, _ = server.page(seconds=5)
            except httpx.TransportError:  # a connection that the one which is stopped had accepted
                continue
            answered += 1
            assert value(page, "orders_total") == server.served
        assert answered >= 9
    finally:
        os.kill(stopped, signal.SIGCONT)
    page, _ = server.page()
    found = {line.split('trace_id="')[1][:32] for line in page.splitlines() if 'trace_id="' in line}
    assert found
    otlp_sink.wait_for(lambda: found <= {span.trace_id.hex() for span in otlp_sink.records("traces")}, 60)
    assert len(files_of(server.process.pid)) == 1
