"""Row 11: a process forks under load."""

import json

FORKS = """
    import json, os, sys, threading, time
    from instrumentation import get_logger, instrument, span

    telemetry = instrument(service_name="forks")
    log, over, made, late, failed = get_logger(), threading.Event(), [], [], 0

    def load():
        while not over.is_set():
            with span("parent") as one:
                log.info("parent")
            made.append(one.span_id.hex())
            time.sleep(0.0005)

    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(int(os.environ["FORKS"])):
        begun = time.monotonic()
        pid = os.fork()
        if pid == 0:
            with span("child"):
                log.info("child")
            os._exit(0 if telemetry.flush(10) else 1)
        failed += os.waitpid(pid, 0)[1] != 0
        late.append(time.monotonic() - begun)
    over.set()
    for thread in threads:
        thread.join()
    telemetry.shutdown()
    books = telemetry.ledger()["traces"]
    with open("seen", "w") as seen:
        json.dump({"made": made, "failed": failed, "slowest": max(late), "books": books}, seen)
"""
CHILD_SECONDS = 5.0
"""Ceiling of a child's life; it exports at once, but a machine may be busy."""


def test_forks_under_load(tell, run_program, sink, pace):
    """Each forked child exports its own spans at once, as itself; the parent's are sent once, by the parent."""
    forks = pace.times(quick=10, whole=200)
    program = run_program(FORKS, sink, 300, FORKS=str(forks))
    assert program.popen.returncode == 0, program.stderr()
    seen = json.loads((program.directory / "seen").read_text())
    senders = {}
    for taken in sink.taken("traces"):
        for span_id in taken.ids:
            senders.setdefault(span_id, []).append(taken.pid)
    parents = {span_id: senders.pop(span_id, []) for span_id in seen["made"]}
    wrong = []
    if any(pids != [program.pid] for pids in parents.values()):
        wrong.append("a span of the parent did not arrive once, from the parent")
    if len(senders) != forks or len({pid for (pid,) in senders.values()}) != forks:
        wrong.append(f"{len(senders)} spans of {forks} children")
    if seen["failed"] or seen["slowest"] > CHILD_SECONDS:
        wrong.append(f"{seen['failed']} children failed, the slowest took {seen['slowest']:.1f} s")
    if seen["books"]["delivered"] != len(seen["made"]):
        wrong.append(f"{seen['books']}")
    figures = f"{len(seen['made'])} spans of the parent, each once; slowest child {seen['slowest']:.2f} s"
    tell(f"{forks} forks while two threads record", figures, wrong)
