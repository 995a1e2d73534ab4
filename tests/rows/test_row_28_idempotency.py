"""Row 28: idempotency of orders, charges and stock."""

import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest

BODY = {"customer_id": "ann", "items": [{"sku": "horn", "quantity": 1}]}


@pytest.mark.parametrize("workers", [1, 10], ids=["one after another", "at once"])
def test_ten_times_the_same_key_is_one_charge(
    workers, gateway, settled, metric, exported, eventually, adds_up, rows_of
):
    """Ten requests with one key are one order and one charge; the nine replays are counted."""

    def replays():
        return metric("clew.idempotency.requests", **PLACING, clew__idempotency__outcome="replayed")

    key = secrets.token_hex(8)
    adds_up()
    exported()
    before = replays()
    with ThreadPoolExecutor(workers) as pool:
        send = lambda _: gateway.post("/orders", json=BODY, headers={"Idempotency-Key": key})  # noqa: E731
        answers = list(pool.map(send, range(10)))
    assert {answer.status_code for answer in answers} == {202}
    (order_id,) = {answer.json()["order_id"] for answer in answers}
    assert settled(order_id)["status"] == "confirmed"
    adds_up()
    assert rows_of("payments", "SELECT count(*) FROM entries WHERE order_id = ?", order_id) == [(1,)]
    assert rows_of("inventory", "SELECT sum(quantity) FROM reservations WHERE order_id = ?", order_id) == [(1,)]
    eventually(lambda: replays() == before + 9)


PLACING = {"clew__idempotency__operation": "place_order"}


def test_the_same_key_with_another_body_is_refused(gateway, metric, exported, eventually):
    """A key that belongs to another request is answered with 422 and counted as a conflict."""
    key = {"Idempotency-Key": secrets.token_hex(8)}
    conflict = {**PLACING, "clew__idempotency__outcome": "conflict"}
    exported()
    before = metric("clew.idempotency.requests", **conflict)
    assert gateway.post("/orders", json=BODY, headers=key).status_code == 202
    answer = gateway.post("/orders", json={**BODY, "customer_id": "bob"}, headers=key)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    eventually(lambda: metric("clew.idempotency.requests", **conflict) == before + 1)


def test_a_replay_is_marked_on_its_span(gateway, backend, eventually, new_trace):
    """The server span of a replayed request says so."""
    trace_id, header = new_trace
    key = {"Idempotency-Key": secrets.token_hex(8)}
    gateway.post("/orders", json=BODY, headers=key)
    gateway.post("/orders", json=BODY, headers={**key, **header})
    spans = eventually(lambda: [span for span in backend.trace(trace_id) if span.name == "POST /orders"])
    assert spans[0].attributes["clew.idempotency.outcome"] == "replayed"
