"""The database of orders."""

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, String, Table, Text

from shop.reliability.inbox import Inbox
from shop.reliability.outbox import Outbox
from shop.reliability.relay import lease_table

metadata = MetaData()
outbox = Outbox(metadata)
inbox = Inbox(metadata)
lease = lease_table(metadata)

orders = Table(
    "orders",
    metadata,
    Column("order_id", String(64), primary_key=True),
    Column("customer_id", String(255), nullable=False),
    Column("lines", Text, nullable=False),
    Column("total_cents", BigInteger, nullable=False),
    Column("state", String(32), nullable=False),
    Column("reason", String(255), nullable=False, default=""),
    Column("deadline_ns", BigInteger, nullable=False),
)
Index("orders_open", orders.c.state, orders.c.deadline_ns)

steps = Table(
    "order_steps",
    metadata,
    Column("order_id", String(64), primary_key=True),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("name", String(32), nullable=False),
    Column("at_unix_ms", BigInteger, nullable=False),
)
