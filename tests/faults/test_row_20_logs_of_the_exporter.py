"""Row 20: sending records makes records."""

from harness.invariants import breaches

RATE = 100.0
"""What a process serves that spends most of its time on its own chatter."""


def test_everything_logs(trial, tell):
    """With the root logger at DEBUG, warnings and the collector logging, and the backend away, nothing recurses."""
    attacked = trial(rate=RATE, application="harness.chatty:app", CLEW_LOG_LEVEL="debug")
    record = attacked.run(attacked.sink.kill, attacked.sink.start)
    books = record.attacked.books
    served = len(record.attacked.requests)
    per_request = books["logs"]["accepted"] / served
    wrong = [breach for breach in breaches(record) if "logs accepted" not in breach]
    tell(
        "root logger at DEBUG, warnings captured, the collector logging, dictConfig 20 times a second; backend killed",
        f"{record.figures()}; {per_request:.1f} log records for a request",
        wrong,
    )
    assert books["traces"]["accepted"] == served
    assert per_request < 10
