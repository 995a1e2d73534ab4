"""Turns: what concerns the same thing happens one after the other, in the order it came."""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary


class Turns:
    """A lock for each key, which serves in order of arrival; it holds nothing for a key that nobody waits for."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, key: str) -> asyncio.Lock:
        """Return the lock of a key: `async with turns.of(key): ...`."""
        return self._locks.setdefault(key, asyncio.Lock())
