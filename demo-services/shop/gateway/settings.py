"""What the environment decides about the gateway."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shop.gateway.split import Balancing, read_splits
from shop.reliability.admin import NO_DOOR, Admin
from shop.reliability.environment import number

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the gateway.

    Attributes:
        host: GATEWAY_HOST to listen on.
        port: GATEWAY_PORT to listen on.
        database_url: DATABASE_URL, as SQLAlchemy writes it, with an async driver.
        orders_target: ORDERS_ADDR, a gRPC target; `ipv4:a:1,b:2` names several replicas.
        inventory_target: INVENTORY_ADDR, likewise.
        discovery_url: DISCOVERY_URL; where it is set it tells the replicas, and the two targets above are not used.
        balancing: LOAD_BALANCING, `round_robin` or `random`.
        traffic_split: TRAFFIC_SPLIT, the weights of versions at the start, as `read_splits` reads them.
        call_timeout_seconds: CALL_TIMEOUT_SECONDS; a call to a service behind that takes longer fails with 503.
        drain_seconds: DRAIN_SECONDS; so long it says that it is not ready, and serves, before it stops.
        admin: ADMIN_PORT and ADMIN_TOKEN of the admin door.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    database_url: str = "sqlite+aiosqlite:///gateway.db"
    orders_target: str = "127.0.0.1:50051"
    inventory_target: str = "127.0.0.1:50052"
    discovery_url: str = ""
    balancing: Balancing = "round_robin"
    traffic_split: Mapping[str, Mapping[str, float]] = field(default_factory=dict[str, "Mapping[str, float]"])
    call_timeout_seconds: float = 5.0
    drain_seconds: float = 0.5
    admin: Admin = NO_DOOR

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings; raise ValueError on a value that is none of its kind."""
        return cls(
            host=environment.get("GATEWAY_HOST", "127.0.0.1"),
            port=int(number(environment, "GATEWAY_PORT", 8000)),
            database_url=environment.get("DATABASE_URL", "sqlite+aiosqlite:///gateway.db"),
            orders_target=environment.get("ORDERS_ADDR", "127.0.0.1:50051"),
            inventory_target=environment.get("INVENTORY_ADDR", "127.0.0.1:50052"),
            discovery_url=environment.get("DISCOVERY_URL", ""),
            balancing=_balancing(environment.get("LOAD_BALANCING") or "round_robin"),
            traffic_split=read_splits(environment.get("TRAFFIC_SPLIT", "")),
            call_timeout_seconds=number(environment, "CALL_TIMEOUT_SECONDS", 5.0),
            drain_seconds=number(environment, "DRAIN_SECONDS", 0.5),
            admin=Admin.read(environment),
        )


def _balancing(text: str) -> Balancing:
    if text not in ("round_robin", "random"):
        raise ValueError(f"LOAD_BALANCING={text!r}: round_robin or random")
    return text
