import pytest
from shop.orders.saga import TRANSITIONS, Command, State, Trigger, transition


def walk(*triggers: Trigger) -> tuple[State, list[Command]]:
    """Apply triggers to a new order, ignoring those that come too late."""
    state, sent = State.AWAITING_STOCK, []
    for trigger in triggers:
        move = transition(state, trigger)
        if move is not None:
            state = move.to
            sent += [move.send] if move.send else []
    return state, sent


def test_reserved_and_charged_confirms():
    """The straight way sends nothing but the confirmation."""
    assert walk(Trigger.STOCK_RESERVED, Trigger.PAYMENT_CHARGED) == (State.CONFIRMED, [Command.CONFIRM])


def test_payment_may_overtake_the_reservation():
    """The charge heard before the reservation confirms as well, and the late reservation changes nothing."""
    assert walk(Trigger.PAYMENT_CHARGED, Trigger.STOCK_RESERVED) == (State.CONFIRMED, [Command.CONFIRM])


def test_rejected_stock_cancels_at_once():
    """Nothing was done, so nothing is compensated."""
    assert walk(Trigger.STOCK_REJECTED) == (State.CANCELLED, [Command.CANCEL])


def test_declined_payment_releases_the_stock_before_it_cancels():
    """A decline compensates the reservation, the only step that was made."""
    moved = walk(Trigger.STOCK_RESERVED, Trigger.PAYMENT_DECLINED, Trigger.STOCK_RELEASED)
    assert moved == (State.CANCELLED, [Command.RELEASE, Command.CANCEL])


@pytest.mark.parametrize("before", [(), (Trigger.STOCK_RESERVED,)])
def test_timeout_compensates_in_reverse(before: tuple[Trigger, ...]):
    """After a timeout the payment is undone first, then the stock, whatever was done."""
    moved = walk(*before, Trigger.TIMED_OUT, Trigger.PAYMENT_REFUNDED, Trigger.STOCK_RELEASED)
    assert moved == (State.CANCELLED, [Command.REFUND, Command.RELEASE, Command.CANCEL])


def test_lost_compensation_is_sent_again():
    """A compensation without an answer is repeated until it is answered."""
    moved = walk(Trigger.TIMED_OUT, Trigger.TIMED_OUT, Trigger.PAYMENT_REFUNDED, Trigger.TIMED_OUT)
    assert moved == (State.RELEASING, [Command.REFUND, Command.REFUND, Command.RELEASE, Command.RELEASE])


def test_late_charge_does_not_confirm_an_order_that_was_given_up():
    """Once compensation began, no forward event turns it back."""
    late = (Trigger.STOCK_RESERVED, Trigger.PAYMENT_CHARGED, Trigger.PAYMENT_DECLINED, Trigger.STOCK_REJECTED)
    assert walk(Trigger.TIMED_OUT, *late) == (State.REFUNDING, [Command.REFUND])


@pytest.mark.parametrize("state", list(State))
def test_only_final_states_cannot_time_out(state: State):
    """Every open order has a way on when nothing comes, and no final one has."""
    assert ((state, Trigger.TIMED_OUT) in TRANSITIONS) is not state.final
