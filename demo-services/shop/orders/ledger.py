"""Orders and their sagas in the database: the only code that changes them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from sqlalchemy import Row, func, insert, select, update

from instrumentation import get_logger, span
from shop.contracts.events import Event, Line, OrderCancelled, OrderConfirmed, OrderCreated, RefundPayment, ReleaseStock
from shop.orders import business
from shop.orders.saga import FIRST_STEP, Command, State, Transition, Trigger, transition
from shop.orders.tables import inbox, orders, outbox, steps
from shop.reliability.database import take_turn
from shop.reliability.outbox import resumed

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from shop.orders.watchers import Watchers
    from shop.reliability.database import Database

log = get_logger(__name__)
_LINES = TypeAdapter(tuple[Line, ...])


@dataclass(frozen=True, slots=True)
class Order:
    """One order as stored. `reason` is empty unless it was, or will be, cancelled."""

    order_id: str
    customer_id: str
    lines: tuple[Line, ...]
    total_cents: int
    state: State
    reason: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an order's saga; `sequence` starts at 1 and has no gaps."""

    sequence: int
    name: str
    at_unix_ms: int


class Ledger:
    """All orders. A saga step that brings no answer within `step_timeout_seconds` is taken as failed."""

    def __init__(self, database: Database, watchers: Watchers, step_timeout_seconds: float) -> None:
        self._database = database
        self._watchers = watchers
        self._step_timeout_ns = int(step_timeout_seconds * 1e9)

    async def create(self, order_id: str, customer_id: str, lines: Sequence[Line]) -> Order:
        """Store an order and start its saga; return the stored one if the id is known."""
        async with self._database.write() as connection:
            await take_turn(connection, f"order {order_id}")
            known = await _find(connection, order_id)
            if known is not None:
                return known
            order = await self._insert(connection, order_id, customer_id, tuple(lines))
        get_logger(__name__).bind(order_id=order_id).info("order created", total_cents=order.total_cents)
        business.accepted(order_id)
        return order

    async def get(self, order_id: str) -> Order | None:
        """Return an order, None if there is none of that id."""
        async with self._database.read() as connection:
            return await _find(connection, order_id)

    async def steps_after(self, order_id: str, sequence: int) -> list[Step]:
        """Return the steps of an order that follow the given one."""
        query = select(steps.c.sequence, steps.c.name, steps.c.at_unix_ms)
        wanted = query.where(steps.c.order_id == order_id, steps.c.sequence > sequence).order_by(steps.c.sequence)
        async with self._database.read() as connection:
            return [Step(*row) for row in await connection.execute(wanted)]

    async def advance(self, event: Event, trigger: Trigger, reason: str = "") -> None:
        """Move an order by an event. A repeated or late event changes nothing."""
        async with self._database.write() as connection:
            if not await inbox.admit(connection, event.event_id):
                return
            move = await self._move(connection, event.order_id, trigger, reason)
            accepted = await _accepted(connection, event.order_id)
        self._tell(event.order_id, trigger, move, accepted)

    async def time_out(self, now_ns: int) -> int:
        """Take the overdue step of every order as failed and return how many there were.

        Each continues the trace of its order, so that its compensation is found there.
        """
        overdue = orders.c.deadline_ns < now_ns
        open_states = [state for state in State if not state.final]
        async with self._database.read() as connection:
            query = select(orders.c.order_id, orders.c.state).where(orders.c.state.in_(open_states), overdue)
            late = (await connection.execute(query.limit(100))).all()
        for row in late:
            await self._time_out(row.order_id, now_ns)
        return len(late)

    async def _time_out(self, order_id: str, now_ns: int) -> None:
        async with self._database.read() as connection:
            headers = await outbox.origin(connection, order_id)
        with resumed(headers), span("saga.timed_out"):
            async with self._database.write() as connection:
                deadline = select(orders.c.deadline_ns).where(orders.c.order_id == order_id).with_for_update()
                if (await connection.execute(deadline)).scalar_one() >= now_ns:
                    return
                move = await self._move(connection, order_id, Trigger.TIMED_OUT, "a step timed out")
                accepted = await _accepted(connection, order_id)
            self._tell(order_id, Trigger.TIMED_OUT, move, accepted)

    async def count_open(self, now_ns: int) -> None:
        """Measure how many orders are in each state before their end, and how old the oldest is."""
        query = select(orders.c.state, func.count(), func.min(steps.c.at_unix_ms)).join_from(
            orders, steps, (orders.c.order_id == steps.c.order_id) & (steps.c.sequence == 1)
        )
        is_open = orders.c.state.in_([state for state in State if not state.final])
        async with self._database.read() as connection:
            rows = (await connection.execute(query.where(is_open).group_by(orders.c.state))).all()
        oldest_ms = min((oldest for _, _, oldest in rows), default=now_ns // 1_000_000)
        business.saga.under_way({state: count for state, count, _ in rows}, max(0.0, now_ns / 1e9 - oldest_ms / 1e3))

    async def _insert(
        self, connection: AsyncConnection, order_id: str, customer_id: str, lines: tuple[Line, ...]
    ) -> Order:
        total_cents = sum(line.quantity * line.price_cents for line in lines)
        order = Order(order_id, customer_id, lines, total_cents, State.AWAITING_STOCK, "")
        row = {
            "order_id": order_id,
            "customer_id": customer_id,
            "lines": _LINES.dump_json(lines).decode(),
            "total_cents": total_cents,
            "state": order.state,
            "reason": "",
            "deadline_ns": self._deadline_ns(),
        }
        await connection.execute(insert(orders).values(row))
        await _add_steps(connection, order_id, (FIRST_STEP,))
        created = OrderCreated(order_id=order_id, customer_id=customer_id, lines=lines, total_cents=total_cents)
        await outbox.put(connection, created)
        return order

    async def _move(
        self, connection: AsyncConnection, order_id: str, trigger: Trigger, reason: str
    ) -> Transition | None:
        # Locked: another event of the order may be in another transaction now, and each must see what the other made.
        order = await _find(connection, order_id, lock=True)
        move = transition(order.state, trigger) if order else None
        if order is None or move is None:
            return None
        # The first reason is the cause; what follows is its consequence.
        values: dict[str, Any] = {"state": move.to, "reason": order.reason or reason}
        values["deadline_ns"] = self._deadline_ns()
        await connection.execute(update(orders).where(orders.c.order_id == order_id).values(values))
        await _add_steps(connection, order_id, move.steps)
        if move.send is not None:
            await outbox.put(connection, _message(move.send, order, values["reason"]))
        return move

    def _tell(self, order_id: str, trigger: Trigger, move: Transition | None, accepted: business.Accepted) -> None:
        bound = get_logger(__name__).bind(order_id=order_id)
        if move is None:
            bound.info("event came too late and was ignored", trigger=trigger.value)
            return
        bound.info("order moved", trigger=trigger.value, state=move.to.value)
        business.moved(order_id, move, accepted)
        self._watchers.notify(order_id)

    def _deadline_ns(self) -> int:
        return time.time_ns() + self._step_timeout_ns


async def _find(connection: AsyncConnection, order_id: str, *, lock: bool = False) -> Order | None:
    query = select(orders).where(orders.c.order_id == order_id)
    row = (await connection.execute(query.with_for_update() if lock else query)).first()
    return _order(row) if row else None


def _order(row: Row[Any]) -> Order:
    lines = _LINES.validate_json(row.lines)
    return Order(row.order_id, row.customer_id, lines, row.total_cents, State(row.state), row.reason)


async def _accepted(connection: AsyncConnection, order_id: str) -> business.Accepted:
    first = (steps.c.order_id == orders.c.order_id) & (steps.c.sequence == 1)
    query = select(steps.c.at_unix_ms, orders.c.total_cents).join_from(orders, steps, first)
    row = (await connection.execute(query.where(orders.c.order_id == order_id))).first()
    return business.Accepted(*row) if row else business.Accepted(0, 0)


async def _add_steps(connection: AsyncConnection, order_id: str, names: Sequence[str]) -> None:
    if not names:
        return
    count = select(func.count()).select_from(steps).where(steps.c.order_id == order_id)
    first = (await connection.execute(count)).scalar_one() + 1
    now_ms = time.time_ns() // 1_000_000
    rows = [
        {"order_id": order_id, "sequence": first + index, "name": str(name), "at_unix_ms": now_ms}
        for index, name in enumerate(names)
    ]
    await connection.execute(insert(steps), rows)


def _message(command: Command, order: Order, reason: str) -> Event:
    match command:
        case Command.REFUND:
            return RefundPayment(order_id=order.order_id)
        case Command.RELEASE:
            return ReleaseStock(order_id=order.order_id)
        case Command.CONFIRM:
            return OrderConfirmed(order_id=order.order_id, customer_id=order.customer_id, total_cents=order.total_cents)
        case Command.CANCEL:
            return OrderCancelled(order_id=order.order_id, customer_id=order.customer_id, reason=reason)
