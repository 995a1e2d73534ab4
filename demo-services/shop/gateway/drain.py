"""Leaving: not ready first, so that no balancer sends anything more; then away."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    from types import FrameType

    from fastapi import FastAPI

GRACE_SECONDS = 3
"""How long running requests may go on once no new ones are taken."""


class Drain:
    """Whether the process is about to leave, which it is for `seconds` before it takes no more requests."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.begun = False


class DrainingServer(uvicorn.Server):
    """Serves until a signal, and `drain.seconds` longer; a second signal ends it at once."""

    def __init__(self, app: FastAPI, host: str, port: int, drain: Drain) -> None:
        # No log_config: uvicorn's lines go the way of all others.
        config = uvicorn.Config(app, host, port, log_config=None, timeout_graceful_shutdown=GRACE_SECONDS)
        super().__init__(config)
        self._drain = drain

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; uvicorn calls it as the handler of SIGTERM and SIGINT."""
        again, self._drain.begun = self._drain.begun, True
        if again or not self.started or self._drain.seconds <= 0:
            super().handle_exit(sig, frame)
            return
        loop = asyncio.get_running_loop()
        loop.call_soon_threadsafe(loop.call_later, self._drain.seconds, super().handle_exit, sig, frame)
