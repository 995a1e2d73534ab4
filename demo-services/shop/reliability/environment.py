"""Values of environment variables that are not text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def number(environment: Mapping[str, str], name: str, default: float) -> float:
    """Return a variable as a number, the default if it is unset or empty.

    Raises:
        ValueError: the value is no number; the message names the variable.
    """
    value = environment.get(name, "").strip()
    if not value:
        return default
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"{name}={value!r}: not a number") from None
