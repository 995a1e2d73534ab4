"""What the environment decides about orders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shop.reliability.admin import NO_DOOR, Admin
from shop.reliability.environment import number

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of orders.

    Attributes:
        database_url: DATABASE_URL, as SQLAlchemy writes it, with an async driver.
        broker_url: BROKER_URL.
        grpc_address: GRPC_ADDRESS, host and port to serve on.
        discovery_url: DISCOVERY_URL; where to register, nowhere if it is empty.
        advertised_address: ADVERTISED_ADDRESS, where others reach it; GRPC_ADDRESS by default.
        step_timeout_seconds: STEP_TIMEOUT_SECONDS; a saga step without an answer for so long is compensated.
        admin: ADMIN_PORT and ADMIN_TOKEN of the admin door.
    """

    database_url: str
    broker_url: str
    grpc_address: str
    discovery_url: str
    advertised_address: str
    step_timeout_seconds: float
    admin: Admin = NO_DOOR

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings; raise ValueError on a number that is none."""
        grpc_address = environment.get("GRPC_ADDRESS", "127.0.0.1:50051")
        return cls(
            database_url=environment.get("DATABASE_URL", "sqlite+aiosqlite:///orders.db"),
            broker_url=environment.get("BROKER_URL", "nats://127.0.0.1:4222"),
            grpc_address=grpc_address,
            discovery_url=environment.get("DISCOVERY_URL", ""),
            advertised_address=environment.get("ADVERTISED_ADDRESS", grpc_address),
            step_timeout_seconds=number(environment, "STEP_TIMEOUT_SECONDS", 30.0),
            admin=Admin.read(environment),
        )
