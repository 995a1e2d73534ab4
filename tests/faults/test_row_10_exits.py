"""Row 10: all the ways a program may end."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness.emitter import Emitter
from harness.sink import Sink

HEAD = """
    import atexit, logging, os, sys, threading, time
    from instrumentation import get_logger, instrument, span

    telemetry = instrument(service_name="exits")
    log = get_logger()
    for _ in range(50):
        with span("work"):
            log.info("worked")
"""
WAYS = {
    "sys.exit in a thread": (
        """
    thread = threading.Thread(target=sys.exit, args=(3,))
    thread.start()
    thread.join()
    """,
        0,
        50,
    ),
    "sys.exit in the main thread": ("    sys.exit(3)", 3, 50),
    "an exception": ("    class Silent(Exception): ...\n    sys.excepthook = lambda *_: None\n    raise Silent", 1, 50),
    "os._exit": ("    time.sleep(1.5)\n    os._exit(4)", 4, 50),
    "logging and spans at interpreter exit": (
        """
    class Late:
        def __del__(self):
            with span("late"):
                log.info("late")
                logging.getLogger("late").warning("late")

    late = Late()
    late.itself = late
    atexit.register(lambda: log.info("at exit"))
    """,
        0,
        50,
    ),
    "a thread that works on": (
        """
    def work_on():
        while True:
            with span("on"):
                log.info("on")
                time.sleep(0.001)

    threading.Thread(target=work_on, daemon=True).start()
    time.sleep(0.3)
    """,
        0,
        50,
    ),
}


def problems(program, took):
    """Return what a program that ends must not do: show a traceback, or take longer than the deadline."""
    stderr = program.stderr()
    if "Traceback" in stderr or "cannot schedule" in stderr or "Fatal" in stderr:
        yield stderr[-500:]
    if took > 6.5:
        yield f"took {took:.1f} s"


QUICK_WAYS = ("os._exit", "logging and spans at interpreter exit")


def end(way, run_program, directory):
    """Run a program that ends in this way; return what it must not do, and how many of its spans arrived."""
    code, status, spans = WAYS[way]
    sink = Sink(directory).start()
    try:
        program = run_program(f"{HEAD}{code}", sink)
        wrong, arrived = list(problems(program, 0)), len(sink.ids("traces"))
    finally:
        sink.close()
    if program.popen.returncode != status:
        wrong.append(f"{way}: status {program.popen.returncode}")
    if arrived < spans:
        wrong.append(f"{way}: {arrived} of {spans} spans arrived")
    return wrong


def test_ends(tell, run_program, tmp_path, pace):
    """However a program ends, it is with its own status, without a word, and what it did has arrived."""
    ways = pace.times(quick=QUICK_WAYS, whole=tuple(WAYS))
    with ThreadPoolExecutor(2) as pool:
        ended = pool.map(lambda each: end(each[1], run_program, tmp_path / f"sink{each[0]}"), enumerate(ways))
        wrong = [problem for problems_of_one in ended for problem in problems_of_one]
    tell(", ".join(ways), "status kept, nothing said, all 50 spans arrived", wrong)


@pytest.mark.slow
def test_two_interrupts(tell, tmp_path, pace):
    """Ctrl-C twice, the second during the last flush to a frozen backend: the program ends in time, without a word."""
    sink = Sink(tmp_path / "sink").start()
    emitter = Emitter(tmp_path / "emitter", sink.url, "interrupted")
    try:
        emitter.wait_for(50)
        sink.freeze()
        emitter.wait_for(pace.times(quick=200, whole=2000))
        started = time.monotonic()
        emitter.signal(signal.SIGINT)
        time.sleep(0.7)
        emitter.signal(signal.SIGINT)
        emitter.popen.wait(30)
        took = time.monotonic() - started
        tell("Ctrl-C twice, the backend frozen", f"ended after {took:.1f} s", list(problems(emitter, took)))
    finally:
        emitter.close()
        sink.close()
