"""What a stage does to the running shop is there at once, and over when it is undone."""

import time

import httpx
import pytest
from shop.invariants import check
from shop.runner import Plan, Shop
from shop.scenarios.stage import Stage, StageError
from shop.scenarios.table import SCENARIOS

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("staged")]


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """A shop with doors, whose every payment gets through."""
    own = {"payments": {"DECLINE_SHARE": "0"}, "orders": {"STEP_TIMEOUT_SECONDS": "60"}}
    plan = Plan(tmp_path_factory.mktemp("staged"), admin_token="the-token-of-a-test", service_environment=own)
    with Shop(plan) as shop:
        yield Stage(shop)


@pytest.fixture
def gateway(stage):
    with httpx.Client(base_url=stage.shop.gateway_url, timeout=20) as client:
        yield client


def order(gateway):
    answer = gateway.post("/orders", json={"customer_id": "ann", "items": [{"sku": "horn", "quantity": 1}]})
    return answer.status_code, answer.json().get("order_id")


def answers(gateway, code, seconds=20):
    """Tell whether an order is answered so within some seconds."""
    deadline = time.monotonic() + seconds
    while (found := order(gateway)[0]) != code and time.monotonic() < deadline:
        time.sleep(0.2)
    return found == code


def status(gateway, order_id, seconds=20, unlike="pending"):
    """Return the status of an order once it is no longer like that, or after some seconds."""
    deadline = time.monotonic() + seconds
    while (found := gateway.get(f"/orders/{order_id}").json()["status"]) == unlike and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def test_payments_that_decline_decline_until_it_is_over(stage, gateway):
    """Orders are cancelled while the fault is there, and confirmed after it."""
    with SCENARIOS["payments-declined"].fault(stage):
        _, order_id = order(gateway)
        assert status(gateway, order_id) == "cancelled"
    _, order_id = order(gateway)
    assert status(gateway, order_id) == "confirmed"


def test_a_handler_that_fails_is_tried_again_until_it_works(stage, gateway):
    """The order waits for payments as long as its handler fails, and ends when it does not any more."""
    with SCENARIOS["payments-failing"].fault(stage):
        _, order_id = order(gateway)
        assert status(gateway, order_id, seconds=2) == "pending"
    assert status(gateway, order_id, seconds=30) == "confirmed"


def test_calls_that_fail_and_a_pool_without_connections_take_no_order(stage, gateway):
    """The gateway says 503 while orders refuses, or cannot get at its database; then it takes orders again."""
    for fault in (stage.fault("orders", "calls", fails=True), SCENARIOS["pool-exhausted"].fault(stage)):
        with fault:
            assert answers(gateway, 503)
        assert answers(gateway, 202)  # the breaker is open for two seconds


def test_a_stopped_broker_comes_back_and_no_message_is_lost(stage, gateway):
    """While it is away orders are taken and nobody minds that a process has ended; then they end."""
    with SCENARIOS["broker-down"].fault(stage):
        assert not stage.shop.child("nats").running
        stage.shop.check()
        code, order_id = order(gateway)
        assert code == 202
    assert status(gateway, order_id, seconds=40) == "confirmed"


def test_what_cannot_be_staged_is_said(stage):
    """A fault that a process has not, a service that is not there, and a canary that was not planned."""
    for fault, words in (
        (stage.fault("gateway", "decline"), "/faults has no 'decline'"),
        (stage.fault("nobody", "block"), "nobody has no admin door"),
        (stage.canary("inventory", 10), "inventory has no canary"),
    ):
        with pytest.raises(StageError, match=words), fault:
            pass


def test_all_adds_up_in_the_end(stage):
    """No order is stuck, lost or doubled after all of this."""
    deadline = time.monotonic() + 60
    while (found := check(stage.shop.database_urls)) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert found == []
