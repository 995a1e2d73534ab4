"""What must hold in every run, whatever the fault. Each check returns what does not hold, in words.

I1 no request differs. I2 the books balance, and what they call delivered was taken. I3 latency and stalls are the
twin's. I4 memory is bounded. I5 the service ends in time. I6 delivery resumes. I7 nothing is left open, little is said.
"""

import re
from collections import Counter

from harness.record import max_rss, repeated

P99_FACTOR, P99_SLACK_MS = 1.25, 2.0
QUICK_SECONDS = 30.0
"""Ceiling of a request's latency in quick runs, which have no twin: a request that waits for telemetry waits longer."""
RSS_MIB = 64
EXIT_SECONDS = 5.0
EXIT_SLACK_SECONDS = 1.5
"""The time a process takes to end without a kit, on a machine that is busy."""
RESUME_SECONDS = 10.0
LINES_SECONDS = 60.0
UNSETTLED = ("timeout", "shutdown")
"""Reasons of records that a receiver may have taken without the sender ever being told."""


def breaches(record):
    """Return everything that does not hold."""
    checks = (requests_served, books_balanced, latency_kept, memory_bounded, ended_in_time, resumed, nothing_left)
    return [f"{check.__name__}: {breach}" for check in checks for breach in check(record)]


def requests_served(record):
    """I1: each request was answered with the status and body of the service without telemetry."""
    wrong = [request for request in record.attacked.requests if request.status != 200 or not request.correct]
    if wrong:
        yield f"{len(wrong)} of {len(record.attacked.requests)} requests failed: {Counter(r.status for r in wrong)}"


def books_balanced(record):
    """I2: the books balance, all that was served was accepted, and all that is delivered was taken."""
    side = record.attacked
    served = len(side.requests)
    for signal, expected in (("traces", served), ("logs", 2 * served)):
        books = side.books[signal]
        dropped = sum(books["dropped"].values())
        if books["accepted"] != books["delivered"] + books["queued"] + dropped:
            yield f"{signal} do not balance: {books}"
        if books["accepted"] != expected:
            yield f"{books['accepted']} {signal} accepted for {served} requests"
        taken = len(set(side.ids(signal)))
        unsettled = books["queued"] + sum(books["dropped"][reason] for reason in UNSETTLED)
        if not books["delivered"] <= taken <= books["delivered"] + unsettled:
            yield f"{signal}: {taken} taken by the receiver, {books}"


def latency_kept(record):
    """I3: the p99 is at most 1.25 times the twin's + 2 ms, and the event loop stalls no oftener, beyond chance."""
    if record.twin is None:
        slowest = max((request.seconds for request in record.attacked.requests), default=0)
        if slowest > QUICK_SECONDS:
            yield f"a request took {slowest:.1f} s"
        return
    window = record.fault_window
    ours, theirs = record.attacked.p99_ms(window), record.twin.p99_ms(window)
    if ours > P99_FACTOR * theirs + P99_SLACK_MS:
        yield f"p99 {ours:.1f} ms, the twin's {theirs:.1f} ms"
    stalls, chance = record.attacked.stalls_ms(window), len(record.twin.stalls_ms(window))
    if len(stalls) > chance + 3 * (chance + 1) ** 0.5:  # three deviations of the difference of two such counts
        yield f"{len(stalls)} stalls up to {max(stalls):.0f} ms, the twin's {chance}"


def memory_bounded(record):
    """I4: at most 64 MiB more than the twin, or than before."""
    window = record.fault_window
    reference = record.twin or record.attacked
    before = max_rss(reference, window if record.twin else record.marks[:2])
    more = max_rss(record.attacked, window) - before
    if more > RSS_MIB:
        yield f"{more:.0f} MiB more than without the fault"


def ended_in_time(record):
    """I5: from SIGTERM to the end at most 5 s."""
    if record.attacked.exit_seconds > EXIT_SECONDS + EXIT_SLACK_SECONDS:
        yield f"took {record.attacked.exit_seconds:.1f} s to end"


def resumed(record):
    """I6: delivery resumes at most 10 s after the fault."""
    if record.resumed_seconds > RESUME_SECONDS:
        yield f"resumed after {record.resumed_seconds:.1f} s"


def nothing_left(record):
    """I7: threads and descriptors as before; at most one line a minute of each kind."""
    for name in ("threads", "files"):
        before, after = getattr(record.before, name), getattr(record.after, name)
        if after > before + 1:
            yield f"{name}: {before} before, {after} after"
    minutes = 1 + int((record.marks[3] - record.marks[0]) / LINES_SECONDS)
    kinds = Counter(re.sub(r"[\d.]+", "#", line) for line in own_lines(record.attacked.stderr))
    for kind, count in kinds.items():
        if count > minutes:
            yield f"said {count} times: {kind}"


def own_lines(stderr):
    """Return the kit's own lines."""
    return [line for line in stderr.splitlines() if line.startswith("clew: ")]


def duplicates(record, signal):
    """Return how many records the receiver took more than once."""
    return repeated(record.attacked.ids(signal))
