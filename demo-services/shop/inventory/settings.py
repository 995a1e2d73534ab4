"""What the environment decides about inventory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shop.reliability.admin import NO_DOOR, Admin
from shop.reliability.environment import number

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of inventory.

    Attributes:
        database_url: DATABASE_URL, as SQLAlchemy writes it, with an async driver.
        broker_url: BROKER_URL.
        grpc_address: GRPC_ADDRESS, host and port to serve on.
        discovery_url: DISCOVERY_URL; where to register, nowhere if it is empty.
        advertised_address: ADVERTISED_ADDRESS, where others reach it; GRPC_ADDRESS by default.
        pieces: STOCK_PIECES of each product at the start, and after a restock.
        restock_seconds: RESTOCK_SECONDS between looks for products that run low; 0 never restocks.
        admin: ADMIN_PORT and ADMIN_TOKEN of the admin door.
    """

    database_url: str
    broker_url: str
    grpc_address: str
    discovery_url: str
    advertised_address: str
    pieces: int
    restock_seconds: float
    admin: Admin = NO_DOOR

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings; raise ValueError on a number that is none."""
        grpc_address = environment.get("GRPC_ADDRESS", "127.0.0.1:50052")
        return cls(
            database_url=environment.get("DATABASE_URL", "sqlite+aiosqlite:///inventory.db"),
            broker_url=environment.get("BROKER_URL", "nats://127.0.0.1:4222"),
            grpc_address=grpc_address,
            discovery_url=environment.get("DISCOVERY_URL", ""),
            advertised_address=environment.get("ADVERTISED_ADDRESS", grpc_address),
            pieces=int(number(environment, "STOCK_PIECES", 1000)),
            restock_seconds=number(environment, "RESTOCK_SECONDS", 0),
            admin=Admin.read(environment),
        )
