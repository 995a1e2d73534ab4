"""The books."""

from instrumentation.pipeline.ledger import REASONS, Ledger


def test_as_dict():
    """The books of all signals come as plain dicts, every reason named."""
    ledger = Ledger()
    account = ledger.account("traces")
    account.hold(5)
    account.settle(2, "rejected", 1)
    account.drop("queue_full", 3)
    assert ledger.snapshot().as_dict() == {
        "traces": {
            "accepted": 8,
            "delivered": 2,
            "queued": 2,
            "dropped": {**dict.fromkeys(REASONS, 0), "rejected": 1, "queue_full": 3},
        }
    }


def test_abandoned():
    """What is abandoned is dropped for good: a sender that comes back later changes nothing."""
    account = Ledger().account("traces")
    account.hold(3)
    account.abandon()
    account.settle(3)
    books = account.books()
    assert (books.accepted, books.delivered, books.queued, books.dropped["shutdown"]) == (3, 0, 0, 3)
