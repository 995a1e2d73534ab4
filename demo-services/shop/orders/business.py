"""What orders measures of its business: declared here, and nowhere else."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from instrumentation import BusinessMetrics
from instrumentation.patterns import Saga
from shop.orders.saga import State

if TYPE_CHECKING:
    from shop.orders.saga import Transition

_metrics = BusinessMetrics("shop.orders")

placed = _metrics.counter("shop.orders.placed", unit="{order}", description="Orders accepted.")
settled = _metrics.counter(
    "shop.orders.settled",
    unit="{order}",
    description="Orders that came to their end, by outcome.",
    labels={"outcome": [state.value for state in State if state.final]},
)
failed = _metrics.counter(
    "shop.orders.failed",
    unit="{order}",
    description="Orders that could not be fulfilled, by what went wrong first.",
    labels={"cause": ("stock", "payment", "timeout")},
)
compensated = _metrics.counter(
    "shop.orders.compensated", unit="{order}", description="Cancelled orders of which something had to be undone."
)
revenue = _metrics.counter("shop.revenue", unit="{cent}", description="Value of the confirmed orders.")
saga = Saga("order", [state.value for state in State if not state.final])


class Accepted(NamedTuple):
    """An order as it was accepted."""

    at_unix_ms: int
    total_cents: int


def accepted(order_id: str) -> None:
    """Count an order that was stored."""
    placed.add(1)
    saga.started(order_id)


def moved(order_id: str, move: Transition, order: Accepted) -> None:
    """Count what a move means."""
    saga.stepped(order_id, move.steps, move.to.value)
    if move.cause:
        failed.add(1, {"cause": move.cause})
    if not move.to.final:
        return
    settled.add(1, {"outcome": move.to.value})
    if move.outcome == "completed":
        revenue.add(order.total_cents)
    elif move.outcome == "compensated":
        compensated.add(1)
    saga.ended(order_id, move.outcome, time.time() - order.at_unix_ms / 1e3)
