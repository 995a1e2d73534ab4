"""The saga of one order: which message moves it where, and what must be sent then. Data only, no effects.

Forward: stock is reserved, then the payment charged. Compensation runs in reverse: the payment is refunded, then the
stock released. After a timeout nobody knows how far the others came, so all of it is compensated; a service that did
nothing yet remembers the compensation and refuses the step when it comes late.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from instrumentation.patterns import SagaOutcome


class State(StrEnum):
    """Where an order stands."""

    AWAITING_STOCK = "awaiting_stock"
    AWAITING_PAYMENT = "awaiting_payment"
    REFUNDING = "refunding"
    RELEASING = "releasing"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether nothing moves the order any more."""
        return self in (State.CONFIRMED, State.CANCELLED)


class Trigger(StrEnum):
    """What can happen to an order."""

    STOCK_RESERVED = "stock_reserved"
    STOCK_REJECTED = "stock_rejected"
    PAYMENT_CHARGED = "payment_charged"
    PAYMENT_DECLINED = "payment_declined"
    PAYMENT_REFUNDED = "payment_refunded"
    STOCK_RELEASED = "stock_released"
    TIMED_OUT = "timed_out"


class Command(StrEnum):
    """What the saga sends when it moves."""

    REFUND = "refund"
    RELEASE = "release"
    CONFIRM = "confirm"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Transition:
    """One move: the new state, the steps to tell watchers in order, and the command to send, if any."""

    to: State
    steps: tuple[str, ...] = ()
    send: Command | None = None

    @property
    def outcome(self) -> SagaOutcome:
        """How the saga ended, if this is its last move."""
        if self.to is State.CONFIRMED:
            return "completed"
        return "rejected" if Trigger.STOCK_REJECTED in self.steps else "compensated"

    @property
    def cause(self) -> str:
        """What made the order fail, if it is this move that turns it back."""
        causes = {Trigger.STOCK_REJECTED: "stock", Trigger.PAYMENT_DECLINED: "payment", Trigger.TIMED_OUT: "timeout"}
        return next((cause for trigger, cause in causes.items() if trigger in self.steps), "")


FIRST_STEP = "created"

_CONFIRM = (Trigger.PAYMENT_CHARGED.value, State.CONFIRMED.value)
_GIVE_UP = Transition(State.REFUNDING, (Trigger.TIMED_OUT,), Command.REFUND)

TRANSITIONS: dict[tuple[State, Trigger], Transition] = {
    (State.AWAITING_STOCK, Trigger.STOCK_RESERVED): Transition(State.AWAITING_PAYMENT, (Trigger.STOCK_RESERVED,)),
    (State.AWAITING_STOCK, Trigger.STOCK_REJECTED): Transition(
        State.CANCELLED, (Trigger.STOCK_REJECTED, State.CANCELLED), Command.CANCEL
    ),
    # Payments and orders hear of the reservation at the same time, so the payment's answer can overtake it.
    (State.AWAITING_STOCK, Trigger.PAYMENT_CHARGED): Transition(
        State.CONFIRMED, (Trigger.STOCK_RESERVED, *_CONFIRM), Command.CONFIRM
    ),
    (State.AWAITING_STOCK, Trigger.PAYMENT_DECLINED): Transition(
        State.RELEASING, (Trigger.STOCK_RESERVED, Trigger.PAYMENT_DECLINED), Command.RELEASE
    ),
    (State.AWAITING_STOCK, Trigger.TIMED_OUT): _GIVE_UP,
    (State.AWAITING_PAYMENT, Trigger.PAYMENT_CHARGED): Transition(State.CONFIRMED, _CONFIRM, Command.CONFIRM),
    (State.AWAITING_PAYMENT, Trigger.PAYMENT_DECLINED): Transition(
        State.RELEASING, (Trigger.PAYMENT_DECLINED,), Command.RELEASE
    ),
    (State.AWAITING_PAYMENT, Trigger.TIMED_OUT): _GIVE_UP,
    (State.REFUNDING, Trigger.PAYMENT_REFUNDED): Transition(
        State.RELEASING, (Trigger.PAYMENT_REFUNDED,), Command.RELEASE
    ),
    (State.REFUNDING, Trigger.TIMED_OUT): Transition(State.REFUNDING, (), Command.REFUND),
    (State.RELEASING, Trigger.STOCK_RELEASED): Transition(
        State.CANCELLED, (Trigger.STOCK_RELEASED, State.CANCELLED), Command.CANCEL
    ),
    (State.RELEASING, Trigger.TIMED_OUT): Transition(State.RELEASING, (), Command.RELEASE),
}


def transition(state: State, trigger: Trigger) -> Transition | None:
    """Return the move a trigger causes, None where it comes too late to matter."""
    return TRANSITIONS.get((state, trigger))
