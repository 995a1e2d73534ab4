"""What the environment decides about the load."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shop.reliability.admin import NO_DOOR, Admin
from shop.reliability.environment import number

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the load.

    Attributes:
        gateway_url: GATEWAY_URL, where the shop is.
        rate: LOAD_RATE, customers that come in a second; each looks at the products, most order.
        admin: ADMIN_PORT and ADMIN_TOKEN of the admin door.
    """

    gateway_url: str
    rate: float
    admin: Admin = NO_DOOR

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings; raise ValueError unless the rate is a number above 0."""
        rate = number(environment, "LOAD_RATE", 5.0)
        if rate <= 0:
            raise ValueError(f"LOAD_RATE={rate:g}: must be above 0")
        gateway_url = environment.get("GATEWAY_URL", "http://127.0.0.1:8000")
        return cls(gateway_url, rate, Admin.read(environment))
