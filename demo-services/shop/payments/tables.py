"""The database of payments."""

from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table

from shop.reliability.idempotency import IdempotencyKeys
from shop.reliability.inbox import Inbox
from shop.reliability.outbox import Outbox
from shop.reliability.relay import lease_table

metadata = MetaData()
outbox = Outbox(metadata)
inbox = Inbox(metadata)
idempotency_keys = IdempotencyKeys(metadata, "charge")
lease = lease_table(metadata)

payments = Table(
    "payments",
    metadata,
    Column("order_id", String(64), primary_key=True),
    # charged, declined, refunded or voided
    Column("status", String(16), nullable=False),
    Column("amount_cents", BigInteger, nullable=False),
)

entries = Table(
    "entries",
    metadata,
    Column("entry_id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("order_id", String(64), nullable=False, index=True),
    # A charge is positive, a refund negative. Nothing is ever changed or deleted here.
    Column("amount_cents", BigInteger, nullable=False),
)
