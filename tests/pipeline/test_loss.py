"""What is said of lost records."""

import pytest

from instrumentation.diagnostics import Diagnostics
from instrumentation.pipeline.ledger import Ledger
from instrumentation.pipeline.loss import LossWatch


@pytest.fixture
def watched():
    """Return a function that lets time pass, loses and delivers, looks, and returns what was said."""
    account, lines, now = Ledger().account("traces"), [], [1000.0]
    diagnostics = Diagnostics(write=lambda line: lines.append(line.decode().strip()))
    watch = LossWatch("traces", account, diagnostics, lambda: now[0])

    def step(seconds, lost=0, delivered=0):
        now[0] += seconds
        account.drop("queue_full", lost)
        account.hold(delivered)
        account.settle(delivered)
        watch.look()
        said = lines.copy()
        lines.clear()
        return said

    return step


def test_begin_and_end_are_said_once(watched):
    """The first loss is said at once; its end when five seconds brought deliveries and no more loss."""
    assert watched(1, lost=2) == ["clew: traces: records are being lost (queue_full 2)"]
    assert watched(1, lost=3, delivered=1) == []
    assert watched(4.9, delivered=1) == []
    assert watched(0.1) == ["clew: traces: no more records are lost; lost 5"]
    assert watched(100, delivered=1) == []


def test_a_queue_at_its_bound_does_not_chatter(watched):
    """Loss and delivery in turn are one loss: two lines in all, however long it takes."""
    said = [line for _ in range(100) for line in (*watched(1, lost=1), *watched(1, delivered=1))]
    assert said == ["clew: traces: records are being lost (queue_full 1)"]
    assert watched(5, delivered=1) == ["clew: traces: no more records are lost; lost 100"]


def test_a_loss_every_ten_seconds_is_said_once_a_minute(watched):
    """Short losses that come again are told with all that was lost, at most once a minute."""
    said = [line for _ in range(12) for line in (*watched(4, lost=1), *watched(6, delivered=1))]
    assert said == [
        "clew: traces: records are being lost (queue_full 1)",
        "clew: traces: no more records are lost; lost 1",
        "clew: traces: records are being lost (queue_full 7)",
        "clew: traces: no more records are lost; lost 6",
    ]


def test_without_delivery_loss_has_not_ended(watched):
    """Silence is no recovery: the end waits for a delivery."""
    assert len(watched(1, lost=1)) == 1
    assert watched(1000) == []
    assert watched(1, delivered=1) == ["clew: traces: no more records are lost; lost 1"]
