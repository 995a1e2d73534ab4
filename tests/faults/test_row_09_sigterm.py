"""Row 9: SIGTERM, whatever the backend does."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness.emitter import Emitter
from harness.invariants import EXIT_SECONDS, EXIT_SLACK_SECONDS
from harness.pace import WHOLE
from harness.sink import Sink

SPANS = 300
BACKENDS = {"up": lambda sink: None, "down": Sink.kill, "frozen": Sink.freeze}


@pytest.mark.parametrize("pace", [pytest.param(WHOLE, id="whole", marks=pytest.mark.faults)])
def test_uvicorn(trial, judge):
    """A server that is stopped under load ends in time, and its books say what was delivered and what not."""
    attacked = trial()
    record = attacked.run(attacked.sink.freeze)
    judge("uvicorn: SIGTERM after a phase without a backend that answers", record)


def stop(kind, backend, directory):
    """Let a program work, take its backend away, let it work on, stop it; return it, its sink and how long it took."""
    sink = Sink(directory / "sink").start()
    emitter = Emitter(directory, sink.url, kind)
    try:
        emitter.wait_for(SPANS)
        BACKENDS[backend](sink)
        emitter.wait_for(2 * SPANS)
        seconds = emitter.terminate()
        if backend == "frozen":
            sink.thaw()
            time.sleep(0.2)  # it reads what the system had accepted for it
        return emitter, {name: set(sink.ids(name)) for name in ("traces", "logs")}, seconds
    finally:
        emitter.close()
        sink.close()


QUICK_CASES = [("script", "up"), ("script", "down"), ("worker", "frozen")]
WHOLE_CASES = [(kind, backend) for kind in ("script", "worker") for backend in BACKENDS]


@pytest.mark.slow
def test_programs(tell, tmp_path, pace):
    """A script and a worker with a handler of its own end in time; with a backend that is up, without a loss."""
    cases = pace.times(quick=QUICK_CASES, whole=WHOLE_CASES)
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda case: stop(*case, tmp_path / "-".join(case)), cases))
    figures, wrong = [], []
    for (kind, backend), (emitter, taken, seconds) in zip(cases, results, strict=True):
        books, told = emitter.books(), {span.span_id for span in emitter.told()}
        figures.append(f"{kind}, backend {backend}: {seconds:.1f} s, {books['traces']['dropped']['shutdown']} lost")
        if seconds > EXIT_SECONDS + EXIT_SLACK_SECONDS:
            wrong.append(f"{kind} with the backend {backend} took {seconds:.1f} s")
        for signal, each in books.items():
            if each["queued"] or each["accepted"] != each["delivered"] + sum(each["dropped"].values()):
                wrong.append(f"{kind}, {backend}, {signal}: {json.dumps(each)}")
        traces = books["traces"]
        if not traces["delivered"] <= len(taken["traces"]) <= traces["delivered"] + traces["dropped"]["shutdown"]:
            wrong.append(f"{kind}, {backend}: {len(taken['traces'])} taken, {traces}")
        if not len(told) <= traces["accepted"] <= len(told) + 1:
            wrong.append(f"{kind}, {backend}: {len(told)} made, {traces}")
        if backend == "up" and (told - taken["traces"] or traces["dropped"]["shutdown"]):
            wrong.append(f"{kind}: {len(told - taken['traces'])} lost with the backend up")
    tell("SIGTERM to a script and to a worker with a handler of its own", "; ".join(figures), wrong)
