"""Orders at a steady rate, and what processes use meanwhile."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
import psutil
from shop.child import Child

SETTLE_SECONDS = 6.0
"""After the last order: its saga ends, and what is waiting is flushed."""
PRODUCTS = ("horn", "sandals")


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time.

    Attributes:
        seconds: How long it took.
        cpu: Seconds of CPU that each process used, by its name.
    """

    seconds: float
    cpu: Mapping[str, float]

    def cpu_each(self, idle: "Window", count: int) -> dict[str, float]:
        """Return the CPU of one of `count` orders in milliseconds, without what idling takes."""
        return {
            name: 1000 * (used - idle.cpu[name] / idle.seconds * self.seconds) / count
            for name, used in self.cpu.items()
        }


class Meter:
    """Reads the CPU of processes."""

    def __init__(self, children: Mapping[str, Child]) -> None:
        self._processes = {name: psutil.Process(child.pid) for name, child in children.items()}

    def memory_mib(self) -> dict[str, float]:
        """Return the resident memory of each process, in MiB."""
        return {name: process.memory_info().rss / 2**20 for name, process in self._processes.items()}

    def _cpu(self) -> dict[str, float]:
        times = {name: process.cpu_times() for name, process in self._processes.items()}
        return {name: each.user + each.system for name, each in times.items()}

    def idle(self, seconds: float) -> Window:
        """Measure while nothing happens."""
        return self._window(lambda: time.sleep(seconds))

    def orders(self, url: str, count: int, rate: float) -> Window:
        """Measure while `count` orders are placed, `rate` a second, and settle.

        Raises:
            RuntimeError: An order was not taken.
        """
        return self._window(lambda: place(url, count, rate))

    def _window(self, body: Callable[[], None]) -> Window:
        began, before = time.monotonic(), self._cpu()
        body()
        after = self._cpu()
        return Window(time.monotonic() - began, {name: after[name] - used for name, used in before.items()})


def place(url: str, count: int, rate: float) -> None:
    """Place orders at a steady rate and wait until they have settled; nobody asks for them meanwhile."""
    began = time.monotonic()
    with httpx.Client(base_url=url, timeout=20) as gateway, ThreadPoolExecutor(16) as pool:

        def one(number: int) -> str:
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            items = [{"sku": PRODUCTS[number % len(PRODUCTS)], "quantity": 1}]
            answer = gateway.post("/orders", json={"customer_id": f"customer-{number % 50}", "items": items})
            if answer.status_code != httpx.codes.ACCEPTED:
                raise RuntimeError(f"an order was not taken: {answer.status_code} {answer.text}")
            return answer.json()["order_id"]

        list(pool.map(one, range(count)))
        time.sleep(SETTLE_SECONDS)
