"""Row 20: saga. That the compensation is in the order's trace, in reverse: tests/stories/test_one_order.py."""


def test_a_declined_order_is_a_compensated_saga(
    place_order, settled, metric, exported, eventually, backend, rows_of, adds_up, new_trace
):
    """A decline counts one compensated saga, the stock is what it was, and the spans carry the saga and its end."""
    trace_id, header = new_trace
    adds_up()
    exported()
    before = metric("clew.saga.ended", clew__saga__outcome="compensated")
    stock = rows_of("inventory", "SELECT stock FROM products WHERE sku = 'horn'")
    order_id = place_order("declined-bob", **header)
    assert settled(order_id)["status"] == "cancelled"
    eventually(lambda: metric("clew.saga.ended", clew__saga__outcome="compensated") == before + 1)
    assert rows_of("inventory", "SELECT stock FROM products WHERE sku = 'horn'") == stock

    def ended():
        spans = [span for span in backend.trace(trace_id) if span.attributes.get("clew.saga.id") == order_id]
        return spans if any("clew.saga.outcome" in span.attributes for span in spans) else None

    spans = eventually(ended)
    states = {span.name: span.attributes.get("clew.saga.state") for span in spans if span.kind == "CONSUMER"}
    assert states == {
        "process inventory.reserved": "awaiting_payment",
        "process payments.declined": "releasing",
        "process inventory.released": "cancelled",
    } or states == {  # the payment's answer may overtake the reservation's
        "process payments.declined": "releasing",
        "process inventory.released": "cancelled",
    }
    assert {span.attributes.get("clew.saga.outcome") for span in spans} == {None, "compensated"}
