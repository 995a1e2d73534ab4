"""The end of the process: flush at interpreter exit and when SIGTERM arrives.

uvicorn raises SIGTERM again with the handler that was there before its own, and the default handler ends a process
without running `atexit`: so a handler of ours must have been there.
"""

import atexit
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType


def at_exit(run: Callable[[], None]) -> Callable[[], None]:
    """Call `run` at interpreter exit and on SIGTERM, after which the previous handler does what it would have done.

    Returns:
        A function that undoes it.
    """
    atexit.register(run)
    restore = _chain_sigterm(run)

    def undo() -> None:
        atexit.unregister(run)
        restore()

    return undo


def _chain_sigterm(run: Callable[[], None]) -> Callable[[], None]:
    if threading.current_thread() is not threading.main_thread():
        return lambda: None  # only the main thread may set handlers
    previous = signal.getsignal(signal.SIGTERM)
    if previous is None or previous == signal.SIG_IGN:  # not set from Python, or meant to be ignored
        return lambda: None

    def handle(number: int, frame: FrameType | None) -> None:
        run()
        if callable(previous):
            previous(number, frame)
        else:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, handle)

    def restore() -> None:
        if signal.getsignal(signal.SIGTERM) is handle:
            signal.signal(signal.SIGTERM, previous)

    return restore
