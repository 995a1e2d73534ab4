"""Row 5: whatever a backend may answer."""

import time
from itertools import pairwise

from harness.record import lost

NEVER_AGAIN = (400, 301)
ANSWERS = (
    {"status": 503, "headers": {"Retry-After": "1"}},
    {"status": 400},
    {"status": 429},
    {"max_records": 3},
    {"status": 502},
    {"rejected": 2},
    {"status": 504},
    {"status": 301, "headers": {"Location": "http://127.0.0.1:1/v1/traces"}},
    {"body": "\xff\x00 garbage"},
)
PATIENCE_SECONDS = 30


def hold(sink, seconds, answer):
    """Answer so for some time, and until it was given to spans and to log records."""
    begun = time.monotonic()
    sink.answer(**answer)
    wanted = answer.get("status", 413 if "max_records" in answer else 200)
    while True:
        given = {taken.signal for taken in sink.taken() if taken.at > begun and taken.status == wanted}
        passed = time.monotonic() - begun
        if passed > seconds and {"traces", "logs"} <= given:
            return
        assert passed < PATIENCE_SECONDS, f"{answer} was given to {given} alone"
        time.sleep(0.02)


def test_answers(run, judge, pace):
    """What may be tried again is, as late as it was asked; the rest is counted as the backend said; none is doubled."""

    def answer_each(attacked):
        for answer in ANSWERS:
            hold(attacked.sink, pace.phase_seconds / 10, answer)

    record = run(answer_each, lambda attacked: attacked.sink.answer())
    side = record.attacked
    refused = {
        name: sum(taken.refused for taken in side.taken if taken.signal == name and taken.status in (200, *NEVER_AGAIN))
        for name in ("traces", "logs")
    }
    told = "503 with Retry-After, 429, 502, 504, 400, 301, 413 beyond 3 records, partial success, garbage in a 200"
    judge(told, record, f"; refused by the backend {refused}")
    assert {name: lost(side.books, name).get("rejected", 0) for name in refused} == refused
    for name in refused:
        assert set(lost(side.books, name)) <= {"rejected"}
        assert len(side.ids(name)) == len(set(side.ids(name)))
        attempts = [taken for taken in side.taken if taken.signal == name]
        waits = [after.at - before.at for before, after in pairwise(attempts) if before.status == 503]
        assert [wait for wait in waits if wait < 0.95] == []
    assert {taken.status for taken in side.taken} == {200, 301, 400, 413, 429, 502, 503, 504}
