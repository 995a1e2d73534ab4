"""The ends of a process: what was recorded arrives or is accounted for, in time, and nothing is said that is no use."""

import re
import signal
import socket
import sys
import time

import pytest

from tests.processes.conftest import CLEW_RUN, FASTAPI

LIMIT_SECONDS = 5.0
SLACK_SECONDS = 3.0
"""What a machine that does ten other things may add; the figure itself is measured in docs/reliability.md."""
SILENT = {"CLEW_LOG_FORMAT": "json"}


@pytest.fixture
def frozen():
    """The endpoint of a receiver that takes connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


SCRIPT = """
import os, sys, threading, time
from instrumentation import get_logger, instrument, span
telemetry = instrument(service_name="ends")
for number in range(200):
    with span("work"):
        get_logger().info("work")
open("ready", "w").close()
"""
ENDS = {
    "end": "",
    "sys.exit": "sys.exit(0)",
    "sys.exit in a thread": "thread = threading.Thread(target=sys.exit, args=(3,)); thread.start(); thread.join()",
    "log at teardown": """
class Late:
    def __del__(self):
        get_logger().info("late")
        with span("late"): pass
late = Late()
late.itself = late
""",
    "os._exit after a flush": "telemetry.flush(20); os._exit(0)",
    "daemon thread that works on": """
def work():
    while True:
        with span("more"): get_logger().info("more")
        time.sleep(0.001)
threading.Thread(target=work, daemon=True).start()
""",
}


@pytest.mark.parametrize("end", ENDS)
def test_every_end_delivers(end, run, otlp_sink):
    """However a script ends, what it recorded before arrives, once, and stderr has no traceback."""
    status, _, err = run(SCRIPT + ENDS[end], **SILENT)
    assert status == 0
    assert "Traceback" not in err
    assert "Exception" not in err
    assert len([span for span in otlp_sink.records("traces") if span.name == "work"]) == 200
    assert len([record for record in otlp_sink.records("logs") if record.body.string_value == "work"]) == 200


@pytest.mark.parametrize(
    "backend", ["up", pytest.param("down", marks=pytest.mark.slow), pytest.param("frozen", marks=pytest.mark.slow)]
)
def test_sigterm_ends_in_time(backend, run, otlp_sink, frozen, tmp_path):
    """From SIGTERM to the end takes 5 s at most, whatever the receiver does, and what is lost is said in one line."""
    endpoint = {"up": otlp_sink.endpoint, "down": "http://127.0.0.1:9", "frozen": frozen}[backend]
    process = run(SCRIPT + "time.sleep(60)", wait=False, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, **SILENT)
    while not (tmp_path / "ready").exists():
        assert process.poll() is None
        time.sleep(0.01)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - began < LIMIT_SECONDS + SLACK_SECONDS
    assert process.returncode == -signal.SIGTERM
    if backend == "up":
        assert (err, len(otlp_sink.records("traces"))) == ("", 200)
    else:
        (line,) = [line for line in err.splitlines() if "at exit" in line]
        assert "traces 200 = 200 shutdown; logs 200 = 200 shutdown" in line


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["down", "frozen"])
def test_a_server_ends_in_time(backend, serve, frozen):
    """A server whose receiver is away ends within 5 s of SIGTERM, and says what was lost."""
    endpoint = {"down": "http://127.0.0.1:9", "frozen": frozen}[backend]
    server = serve("uvicorn", FASTAPI, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
    server.wait_until_served(1)
    _, said, seconds = server.stop()
    assert seconds < LIMIT_SECONDS + SLACK_SECONDS
    assert re.search(r"clew: at exit: traces \d+ = \d+ (queued|shutdown)", said)
    assert "Traceback" not in said


def test_ctrl_c_twice(run, frozen, tmp_path):
    """A second Ctrl-C ends the wait for a receiver that is frozen, without a traceback of ours."""
    code = SCRIPT + "\ntry: time.sleep(60)\nexcept KeyboardInterrupt: print('interrupted', flush=True)"
    process = run(
        code, wait=False, OTEL_EXPORTER_OTLP_ENDPOINT=frozen, CLEW_SHUTDOWN_TIMEOUT="60", CLEW_LOG_LEVEL="error"
    )
    while not (tmp_path / "ready").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "interrupted\n"
    time.sleep(0.5)  # by now it waits for the receiver
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert "Traceback" not in err
    assert "at exit: traces 200 = 200 shutdown" in err


CHILDREN = """
import multiprocessing, os, sys
from concurrent.futures import ProcessPoolExecutor
from instrumentation import instrument, span
instrument(service_name="children")

def work(number):
    with span(f"child {number}"):
        return number

def main(method):
    context = multiprocessing.get_context(method)
    process = context.Process(target=work, args=(0,))
    process.start()
    process.join()
    with context.Pool(2) as pool:
        assert pool.map(work, range(1, 21)) == list(range(1, 21))
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        assert list(pool.map(work, range(21, 41))) == list(range(21, 41))

if __name__ == "__main__":
    with span("main"):
        main(sys.argv[1])
"""


@pytest.mark.parametrize(
    "method",
    ["fork", pytest.param("spawn", marks=pytest.mark.slow), pytest.param("forkserver", marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("wrapped", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_children_of_multiprocessing_deliver(method, wrapped, run, otlp_sink, plain):
    """A process, a pool and an executor, by any start method: every child's spans arrive, once, as the child's own."""
    code = CHILDREN.replace('instrument(service_name="children")', "") if wrapped else CHILDREN
    command = [*(CLEW_RUN if wrapped else ()), sys.executable, "program.py", method]
    status, _, err = run(code, command=command)
    assert (status, err) == (0, "")
    spans = otlp_sink.resources("traces")
    assert sorted(span.name for _, _, span in spans) == sorted(["main", *(f"child {number}" for number in range(41))])
    parent = {plain(resource.attributes)["process.pid"] for resource, _, span in spans if span.name == "main"}
    children = {plain(resource.attributes)["process.pid"] for resource, _, span in spans if span.name != "main"}
    assert len(children) >= 3
    assert not parent & children


CELERY = """
import os
from celery import Celery
from instrumentation import instrument, span
instrument(service_name="tasks")
app = Celery("program", broker="filesystem://", backend=None)
app.conf.broker_transport_options = {
    "data_folder_in": "queue", "data_folder_out": "queue", "processed_folder": "done", "store_processed": False,
}
app.conf.task_ignore_result = True
os.makedirs("queue", exist_ok=True)

@app.task
def work(number):
    with span(f"task {number}"):
        return number

if __name__ == "__main__":
    for number in range(20):
        work.delay(number)
"""


@pytest.mark.slow
@pytest.mark.parametrize("wrapped", [False, True], ids=["wired", "clew run"])
def test_celery_prefork(wrapped, run, otlp_sink, plain):
    """Tasks in Celery's forked children are recorded by these, and all has arrived when the worker has ended."""
    code = CELERY.replace('instrument(service_name="tasks")', "") if wrapped else CELERY
    assert run(code)[0] == 0
    celery = [sys.executable, "-m", "celery", "-A", "program", "worker", "-c", "2", "--pool", "prefork"]
    worker = run(code, wait=False, command=[*(CLEW_RUN if wrapped else ()), *celery])
    otlp_sink.wait_for(
        lambda: len({span.name for span in otlp_sink.records("traces") if span.name.startswith("task")}) == 20, 90
    )
    worker.send_signal(signal.SIGTERM)
    worker.communicate(timeout=60)
    tasks = [(resource, span) for resource, _, span in otlp_sink.resources("traces") if span.name.startswith("task")]
    assert sorted(span.name for _, span in tasks) == sorted(f"task {number}" for number in range(20))
    pids = {plain(resource.attributes)["process.pid"] for resource, _ in tasks}
    assert worker.pid not in pids
    assert len(pids) <= 2


@pytest.mark.parametrize("option", ["-I", "-E", "-S", "-sE", "script"])
def test_clew_run_refuses_what_it_cannot_wire(option, run, tmp_path):
    """An interpreter that would not see the kit is not started: the command says why, and what to do."""
    script = tmp_path / "script"
    script.write_text(f"#!{sys.executable} -sE\nprint('ran')\n")
    script.chmod(0o755)
    program = [str(script)] if option == "script" else [sys.executable, "-X", "utf8", option, "program.py"]
    status, out, err = run("print('ran')", command=[*CLEW_RUN, *program])
    assert (status, out) == (2, "")
    assert "it would send nothing" in err
