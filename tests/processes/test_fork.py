"""A fork: the child serves and exports by itself, whatever its parent was doing, and nothing is exported twice."""

import json
import sys

import pytest

FORKED_UNDER_EACH_LOCK = """
import gc, json, os, sys, threading, time
from opentelemetry import metrics
from prometheus_client import REGISTRY
from instrumentation import get_logger, instrument, span
import sqlalchemy

LOCKS = (type(threading.Lock()), type(threading.RLock()))
telemetry = instrument(service_name="forks")
engine = sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.NullPool)
engine.connect().close()
counter = metrics.get_meter("m").create_counter("works")

def work(name):
    with span(name):
        get_logger().info(name)
        counter.add(1, {"of": name})
        metrics.get_meter("m").create_histogram(f"h.{name}").record(1.0)
        with engine.connect():
            pass

def parts(owner):
    slots = [slot for kind in type(owner).__mro__ for slot in getattr(kind, "__slots__", ())]
    names = [*getattr(owner, "__dict__", ()), *slots]
    return [(name, getattr(owner, name, None)) for name in names if isinstance(getattr(owner, name, None), LOCKS)]

def locks():
    for owner in gc.get_objects():
        if str(type(owner).__module__).startswith("instrumentation"):
            yield from ((f"{type(owner).__name__}.{name}", lock) for name, lock in parts(owner))
    yield "REGISTRY._lock", REGISTRY._lock

def hold(lock, held, done):
    if lock.acquire(blocking=False):
        held.set()
        done.wait(30)
        lock.release()
    held.set()

work("parent")
found = {name: lock for name, lock in locks()}
late = []
for number, (name, lock) in enumerate(sorted(found.items())):
    if name == "REGISTRY._lock":
        continue
    held, done = threading.Event(), threading.Event()
    holder = threading.Thread(target=hold, args=(lock, held, done))
    holder.start()
    held.wait()
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        work(f"child {number}")
        is_done = telemetry.flush(20)
        books = telemetry.ledger()
        balances = [b["accepted"] - b["delivered"] - b["queued"] - sum(b["dropped"].values()) for b in books.values()]
        os._exit(0 if is_done and not any(balances) and books["traces"]["delivered"] == 1 else 1)
    end = time.monotonic() + 30
    while (waited := os.waitpid(pid, os.WNOHANG)) == (0, 0) and time.monotonic() < end:
        time.sleep(0.002)
    if waited == (0, 0):
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    seconds = time.monotonic() - began
    if waited[1] != 0 or seconds > 5 or waited == (0, 0):
        late.append((name, waited, seconds))
    done.set()
    holder.join()
telemetry.flush(20)
print("FOUND", json.dumps([len(found), sorted(found), late]))
"""


def test_fork_while_each_lock_is_held(run, otlp_sink):
    """A child forked while another thread holds any one lock of the kit records and exports at once, as itself."""
    status, out, err = run(FORKED_UNDER_EACH_LOCK, OTEL_METRIC_EXPORT_INTERVAL="1000000", CLEW_LOG_FORMAT="json")
    assert status == 0, err
    count, names, late = json.loads(next(line for line in out.splitlines() if line.startswith("FOUND"))[5:])
    assert late == []
    assert {"Account.lock", "Ledger._lock", "MetricStore._lock", "Budget._first", "Flusher._starting"} <= set(names)
    resources = {}
    for resource, _, span in otlp_sink.resources("traces"):
        resources.setdefault(span.name, []).append({item.key: item.value for item in resource.attributes})
    children = {name: owners for name, owners in resources.items() if name.startswith("child")}
    assert len(children) == count - 1
    assert {len(owners) for owners in resources.values()} == {1}
    pids = [owner["process.pid"].int_value for owners in resources.values() for owner in owners]
    ids = {owner["service.instance.id"].string_value for owners in resources.values() for owner in owners}
    assert len(ids) == len(set(pids)) == count


IMPORTS = """
import sys
from opentelemetry import metrics
from instrumentation import get_logger, instrument, span
telemetry = instrument(service_name="imports")
with span("work") as current:
    get_logger().info("work")
    current.record_exception(ValueError("bad"))
metrics.get_meter("m").create_counter("works").add(1)
before = set(sys.modules)
telemetry.flush(1)
print("LATE", sorted(set(sys.modules) - before))
"""


@pytest.mark.parametrize(
    ("scheme", "protocol", "compression"),
    [("http", "http/protobuf", "none"), ("https", "http/protobuf", "gzip"), ("http", "grpc", "none")],
)
def test_the_flusher_imports_nothing(run, otlp_sink, scheme, protocol, compression):
    """A first export imports no module: a child forked just then would wait for ever for the import to end."""
    port = otlp_sink.endpoint.rpartition(":")[2]
    _, out, _ = run(
        IMPORTS,
        OTEL_EXPORTER_OTLP_ENDPOINT=f"{scheme}://localhost:{port}",
        OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
        OTEL_EXPORTER_OTLP_COMPRESSION=compression,
        CLEW_SHUTDOWN_TIMEOUT="0.1",
    )
    assert "LATE []" in out.splitlines()


UNDER_LOAD = """
import json, os, sys, threading, time
from instrumentation import get_logger, instrument, span

telemetry = instrument(service_name="loaded")
stop, said = threading.Event(), [0]

def load():
    while not stop.is_set():
        with span(f"parent {said[0]}"):
            get_logger().info("parent", number=said[0])
        said[0] += 1
        time.sleep(0.0005)

loader = threading.Thread(target=load)
loader.start()
failed = 0
for number in range(int(sys.argv[1])):
    with span(f"around {number}"):
        pid = os.fork()
        if pid == 0:
            with span(f"child {number}"):
                get_logger().info("child", number=number)
    if pid == 0:
        os._exit(0 if telemetry.flush(20) else 1)
    failed += os.waitpid(pid, 0)[1] != 0
stop.set()
loader.join()
print("SAID", json.dumps([said[0], failed]))
"""


def test_forks_under_load(run, otlp_sink):
    """Children forked under load, inside of a span, send their own records alone: each record arrives exactly once."""
    command = [sys.executable, "program.py", "20"]
    status, out, err = run(UNDER_LOAD, command=command, CLEW_LOG_FORMAT="json")
    assert status == 0, err
    said, failed = json.loads(next(line for line in out.splitlines() if line.startswith("SAID"))[4:])
    assert failed == 0
    expected = [
        f"{who} {number}" for who, count in (("parent", said), ("around", 20), ("child", 20)) for number in range(count)
    ]
    assert sorted(span.name for span in otlp_sink.records("traces")) == sorted(expected)
    assert len(otlp_sink.records("logs")) == said + 20
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    assert len(lines) == said + 20


COUNTS = """
import os
from opentelemetry import metrics
from instrumentation import instrument
telemetry = instrument(service_name="counts")
meter = metrics.get_meter("m")
counter, size, level = meter.create_counter("orders"), meter.create_up_down_counter("open"), meter.create_gauge("level")
counter.add(5); size.add(5); level.set(5)
if os.fork() == 0:
    counter.add(1); size.add(1)
    telemetry.flush(20)
    os._exit(0)
os.wait()
"""


def test_a_child_counts_from_nothing(run, otlp_sink):
    """Counters of a forked child, those that may fall too, begin at 0, so that instances add up; gauges stay."""
    assert run(COUNTS)[0] == 0
    values = {}
    for resource, _, metric in otlp_sink.resources("metrics"):
        if metric.name in ("orders", "open", "level"):
            owner = next(item.value.string_value for item in resource.attributes if item.key == "service.instance.id")
            (point,) = (metric.gauge if metric.name == "level" else metric.sum).data_points
            values.setdefault(owner, {})[metric.name] = point.as_int or point.as_double
    assert sorted(values.values(), key=lambda each: each["orders"]) == [
        {"orders": 1, "open": 1, "level": 5},
        {"orders": 5, "open": 5, "level": 5},
    ]
