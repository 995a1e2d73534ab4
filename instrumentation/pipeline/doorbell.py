"""Wake a sleeping thread from any place, signal handlers and finalizers included."""

from threading import Lock


class Doorbell:
    """A binary semaphore made of one lock.

    `threading.Event.set()` takes a lock that is not reentrant: a signal handler that interrupts it and rings again
    would hang the process. Releasing a plain lock is one C call that cannot.
    """

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = Lock()
        self._lock.acquire()

    def ring(self) -> None:
        """Wake the waiting thread, or let its next `wait` return at once. Many rings before a wait count as one."""
        try:
            self._lock.release()
        except RuntimeError:  # rung already
            return

    def wait(self, timeout_seconds: float) -> bool:
        """Sleep until rung, at most `timeout_seconds`. Return whether it was rung."""
        return self._lock.acquire(timeout=max(0.0, timeout_seconds))
