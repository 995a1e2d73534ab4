"""The database of notifications."""

from sqlalchemy import BigInteger, Column, MetaData, String, Table, Text

from shop.reliability.inbox import Inbox

metadata = MetaData()
inbox = Inbox(metadata)

notifications = Table(
    "notifications",
    metadata,
    Column("order_id", String(64), primary_key=True),
    Column("customer_id", String(255), nullable=False),
    Column("text", Text, nullable=False),
    Column("sent_at_unix_ms", BigInteger, nullable=False),
)

digest = Table(
    "digest",
    metadata,
    # Days since 1970 in UTC.
    Column("day", BigInteger, primary_key=True, autoincrement=False),
    Column("orders", BigInteger, nullable=False),
    Column("revenue_cents", BigInteger, nullable=False),
)
