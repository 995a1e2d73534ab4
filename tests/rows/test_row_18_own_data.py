"""Row 18: each service owns its data."""

import secrets

STORES = {"gateway", "orders", "inventory", "payments", "notifications"}


def test_no_two_services_are_configured_with_one_database(shop):
    """Each service has a database of its own, by configuration."""
    assert set(shop.databases) == STORES
    assert len({str(path) for path in shop.databases.values()}) == len(STORES)


def test_no_service_asks_another_s_database(gateway, backend, settled, eventually, shop):
    """In a whole order, with a key that the gateway stores, every query span names its own service's database."""
    trace_id = secrets.token_hex(16)
    response = gateway.post(
        "/orders",
        json={"customer_id": "ann", "items": [{"sku": "horn", "quantity": 1}]},
        headers={"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01", "Idempotency-Key": trace_id},
    )
    settled(response.json()["order_id"])

    def queries():
        spans = backend.trace(trace_id)
        found = {(span.service, span.attributes.get("db.namespace")) for span in spans if _is_query(span)}
        return found if {service for service, _ in found} == STORES else None

    assert eventually(queries) == {(service, str(path)) for service, path in shop.databases.items()}


def _is_query(span):
    return "db.system.name" in span.attributes
