"""Gateway: the REST door of the shop: checks requests, keeps idempotency keys, calls the services behind it."""
