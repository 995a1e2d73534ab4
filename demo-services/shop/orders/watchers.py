"""Those who watch an order, woken when it moves."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Watchers:
    """One event per watcher of an order; holds nothing for an order that nobody watches."""

    def __init__(self) -> None:
        self._by_order: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    @contextmanager
    def watching(self, order_id: str) -> Iterator[asyncio.Event]:
        """Give an event that is set whenever the order moves in this process."""
        moved = asyncio.Event()
        self._by_order[order_id].add(moved)
        try:
            yield moved
        finally:
            self._by_order[order_id].discard(moved)
            if not self._by_order[order_id]:
                del self._by_order[order_id]

    def notify(self, order_id: str) -> None:
        """Wake all who watch an order."""
        for moved in self._by_order.get(order_id, ()):
            moved.set()
