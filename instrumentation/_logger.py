"""`get_logger`, which services call; apart from `span`, since who logs by the standard library needs no structlog."""

import sys
from typing import Any

import structlog


def get_logger(name: str | None = None) -> Any:
    """Return a structlog logger whose every event carries trace, span and request id.

    Args:
        name: Default: the calling module's `__name__`.
    """
    return structlog.get_logger(name or sys._getframe(1).f_globals.get("__name__", "root"))  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] as logging does
