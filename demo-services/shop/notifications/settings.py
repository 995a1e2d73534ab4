"""What the environment decides about notifications."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shop.reliability.admin import NO_DOOR, Admin

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of notifications.

    Attributes:
        database_url: DATABASE_URL, as SQLAlchemy writes it, with an async driver.
        broker_url: BROKER_URL.
        admin: ADMIN_PORT and ADMIN_TOKEN of the admin door.
    """

    database_url: str
    broker_url: str
    admin: Admin = NO_DOOR

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings."""
        return cls(
            database_url=environment.get("DATABASE_URL", "sqlite+aiosqlite:///notifications.db"),
            broker_url=environment.get("BROKER_URL", "nats://127.0.0.1:4222"),
            admin=Admin.read(environment),
        )
