"""The database of the gateway: nothing but idempotency keys."""

from sqlalchemy import MetaData

from shop.reliability.idempotency import IdempotencyKeys

metadata = MetaData()
idempotency_keys = IdempotencyKeys(metadata, "place_order")
