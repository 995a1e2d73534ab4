"""Row 22: no two-phase commit."""

import re
from pathlib import Path

import shop

SOURCES = sorted(Path(shop.__file__).parent.rglob("*.py"))
DISTRIBUTED = re.compile(r"two_?phase|prepare[ _]transaction|\bxa_|begin_nested|xid\(", re.IGNORECASE)
SERVICES = ("gateway", "orders", "inventory", "payments", "notifications")


def test_no_transaction_spans_two_databases():
    """No service prepares a transaction, and each opens one database."""
    assert len(SOURCES) > 40
    for path in SOURCES:
        assert not DISTRIBUTED.search(path.read_text()), path
    for service in SERVICES:
        texts = [path.read_text() for path in SOURCES if path.parent.name == service]
        assert sum(len(re.findall(r"\bDatabase\(", text)) for text in texts) == 1, service
