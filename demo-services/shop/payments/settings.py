"""What the environment decides about payments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shop.reliability.admin import NO_DOOR, Admin
from shop.reliability.environment import number

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of payments.

    Attributes:
        database_url: DATABASE_URL, as SQLAlchemy writes it, with an async driver.
        broker_url: BROKER_URL.
        grpc_address: GRPC_ADDRESS, host and port to serve on.
        discovery_url: DISCOVERY_URL; where to register, nowhere if it is empty.
        advertised_address: ADVERTISED_ADDRESS, where others reach it; GRPC_ADDRESS by default.
        decline_share: DECLINE_SHARE of the payments, 0 to 1, that is declined on purpose.
        admin: ADMIN_PORT and ADMIN_TOKEN of the admin door.
    """

    database_url: str
    broker_url: str
    grpc_address: str
    discovery_url: str
    advertised_address: str
    decline_share: float
    admin: Admin = NO_DOOR

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings; raise ValueError on a number that is none."""
        grpc_address = environment.get("GRPC_ADDRESS", "127.0.0.1:50053")
        return cls(
            database_url=environment.get("DATABASE_URL", "sqlite+aiosqlite:///payments.db"),
            broker_url=environment.get("BROKER_URL", "nats://127.0.0.1:4222"),
            grpc_address=grpc_address,
            discovery_url=environment.get("DISCOVERY_URL", ""),
            advertised_address=environment.get("ADVERTISED_ADDRESS", grpc_address),
            decline_share=number(environment, "DECLINE_SHARE", 0.1),
            admin=Admin.read(environment),
        )
