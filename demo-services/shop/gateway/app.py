"""The REST interface of the shop."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated

from fastapi import FastAPI, Header, Response
from fastapi.responses import JSONResponse, StreamingResponse

from shop.contracts import orders_pb2 as pb
from shop.gateway.catalogue import Catalogue
from shop.gateway.drain import Drain
from shop.gateway.placement import OrderRequest, Placement
from shop.gateway.problems import register_problems
from shop.gateway.services import Services
from shop.gateway.tables import idempotency_keys, metadata
from shop.gateway.verdicts import Verdicts
from shop.gateway.weights import Weights
from shop.reliability.admin import door
from shop.reliability.database import Database
from shop.reliability.faults import Faults, hold
from shop.reliability.process import background
from shop.reliability.pruning import keep_pruned

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from shop.gateway.settings import Settings

KEEP_ALIVE_SECONDS = 15.0
"""A silent event stream gets a comment this often, so that proxies keep it open."""

ESSENTIAL = {"database", "orders"}
"""Without these the gateway should get no traffic; without inventory it still answers, from what it knows."""

_STATUS = {pb.ORDER_STATUS_CONFIRMED: "confirmed", pb.ORDER_STATUS_CANCELLED: "cancelled"}


def create_app(settings: Settings, drain: Drain | None = None) -> FastAPI:
    """Build the gateway; it opens its database and channels when it starts, and is not ready once `drain` has begun."""
    database = Database(settings.database_url, metadata)
    services = Services(settings)
    catalogue = Catalogue(services)
    weights = Weights(services)
    faults = Faults(hold=partial(hold, database))
    boards = {"weights": weights, "verdicts": Verdicts(services.names), "faults": faults}

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        jobs = background(catalogue.follow, partial(keep_pruned, database, idempotency_keys))
        async with database, services, jobs, weights, faults, door(settings.admin, boards):
            yield

    app = FastAPI(title="Clew shop", lifespan=lifespan)
    _add_order_routes(app, services, Placement(database, services, catalogue))
    _add_product_routes(app, services, catalogue)
    _add_health_routes(app, services, database, drain or Drain(0))
    register_problems(app)
    return app


def _add_order_routes(app: FastAPI, services: Services, placement: Placement) -> None:
    @app.post("/orders", status_code=202)
    async def place_order(
        body: OrderRequest, idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None
    ) -> dict[str, str]:
        order_id = await placement.place(body, idempotency_key)
        return {"order_id": order_id, "status": "pending"}

    @app.get("/orders/{order_id}")
    async def get_order(order_id: str) -> dict[str, object]:
        return _order(await services.get_order(order_id))

    @app.get("/orders/{order_id}/events")
    async def order_events(order_id: str) -> Response:
        await services.get_order(order_id)
        return StreamingResponse(_events(services, order_id), media_type="text/event-stream")


def _add_product_routes(app: FastAPI, services: Services, catalogue: Catalogue) -> None:
    @app.get("/products")
    async def list_products(response: Response) -> dict[str, list[dict[str, object]]]:
        fields = ("sku", "name", "price_cents", "stock")
        response.headers["Age"] = str(catalogue.age_seconds)
        found = catalogue.products or await services.products()
        return {"products": [{name: getattr(item, name) for name in fields} for item in found]}


def _add_health_routes(app: FastAPI, services: Services, database: Database, drain: Drain) -> None:
    async def checks() -> dict[str, bool]:
        return {"database": await _answers(database), **await services.health()}

    @app.get("/health/live")
    async def live() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/health/ready")
    @app.get("/health")
    async def ready() -> Response:
        if drain.begun:
            return JSONResponse({"status": "leaving", "checks": {}}, 503)
        found = await checks()
        missing = {name for name, answers in found.items() if not answers}
        status = "unavailable" if missing & ESSENTIAL else "degraded" if missing else "ok"
        return JSONResponse({"status": status, "checks": found}, 503 if status == "unavailable" else 200)


async def _answers(database: Database) -> bool:
    try:
        await database.ping()
    except Exception:
        return False
    return True


def _order(order: pb.Order) -> dict[str, object]:
    body: dict[str, object] = {
        "order_id": order.order_id,
        "status": _STATUS.get(order.status, "pending"),
        "customer_id": order.customer_id,
        "items": [{"sku": line.sku, "quantity": line.quantity} for line in order.lines],
        "total_cents": order.total_cents,
    }
    return {**body, "reason": order.reason} if order.reason else body


async def _events(services: Services, order_id: str) -> AsyncIterator[str]:
    """Yield server-sent events: one per step of the saga, until the final one."""
    steps = aiter(services.watch_order(order_id))
    pending: asyncio.Task[pb.OrderStep] | None = None
    try:
        while True:
            pending = pending or asyncio.ensure_future(anext(steps))
            done, _ = await asyncio.wait({pending}, timeout=KEEP_ALIVE_SECONDS)
            if not done:
                yield ": keep-alive\n\n"
                continue
            step, pending = pending.result(), None
            yield _event(step)
            if step.final:
                return
    except StopAsyncIteration:
        return
    finally:
        if pending:
            pending.cancel()


def _event(step: pb.OrderStep) -> str:
    data = json.dumps({"step": step.name, "at_unix_ms": step.at_unix_ms, "final": step.final})
    return f"id: {step.sequence}\nevent: {step.name}\ndata: {data}\n\n"
