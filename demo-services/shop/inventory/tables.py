"""The database of inventory."""

from sqlalchemy import BigInteger, CheckConstraint, Column, MetaData, String, Table

from shop.reliability.inbox import Inbox
from shop.reliability.outbox import Outbox
from shop.reliability.relay import lease_table

metadata = MetaData()
outbox = Outbox(metadata)
inbox = Inbox(metadata)
lease = lease_table(metadata)

products = Table(
    "products",
    metadata,
    Column("sku", String(64), primary_key=True),
    Column("name", String(255), nullable=False),
    Column("price_cents", BigInteger, nullable=False),
    # What can be ordered: reserved pieces are already taken off. stock + reserved = received, always.
    Column("stock", BigInteger, CheckConstraint("stock >= 0"), nullable=False),
    Column("received", BigInteger, nullable=False),
)

decisions = Table(
    "decisions",
    metadata,
    Column("order_id", String(64), primary_key=True),
    # reserved, rejected or released; what is not reserved never will be.
    Column("state", String(16), nullable=False),
)

reservations = Table(
    "reservations",
    metadata,
    Column("order_id", String(64), primary_key=True),
    Column("sku", String(64), primary_key=True),
    Column("quantity", BigInteger, nullable=False),
)

CATALOGUE: tuple[tuple[str, str, int], ...] = (
    ("thread-red", "Ball of red thread", 490),
    ("thread-gold", "Ball of golden thread", 1990),
    ("lamp-clay", "Clay oil lamp", 1250),
    ("map-knossos", "Map of Knossos, second edition", 2400),
    ("sandals", "Sandals that leave no trace", 3900),
    ("horn", "Drinking horn", 1780),
    ("sail-white", "White sail", 12900),
    ("wings-wax", "Wings, wax and feather", 19900),
)
"""SKU, name, price in cents."""
