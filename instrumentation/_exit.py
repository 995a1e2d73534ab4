"""The ends of a process: interpreter exit, SIGTERM, and the end of a worker of multiprocessing or billiard.

Servers differ in how they end. uvicorn takes SIGTERM, ends gracefully and raises it again with the handler that was
there before its own, and the default handler ends a process without running `atexit`; a worker that multiprocessing has
forked leaves by `os._exit`. So there is more than one door. `os._exit` of the program's own is none: what was recorded
since the last flush is lost.
"""

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

from instrumentation.importing import when_imported


class Doors:
    """Calls `leave` at every end of the process that can be seen, once or several times.

    Args:
        leave: Delivers what is left. Called last thing.
        hasten: Delivers what it can at once; called when SIGTERM comes and somebody else will end the process in his
            own time, with requests that are still answered.

    Attributes:
        is_ending: Whether SIGTERM has come.
    """

    def __init__(self, leave: Callable[[], None], hasten: Callable[[], None]) -> None:
        self.is_ending = False
        self._leave = leave
        self._hasten = hasten
        self._undos: list[Callable[[], None]] = []
        self._links: dict[Any, Any] = {}
        atexit.register(leave)
        self.chain_sigterm()
        for module in ("multiprocessing.util", "billiard.util"):
            self._undos.append(when_imported(module, partial(self._watch_workers, module)))

    def undo(self) -> None:
        """Call nothing any more."""
        atexit.unregister(self._leave)
        while self._undos:
            self._undos.pop()()
        while (previous := self._links.pop(signal.getsignal(signal.SIGTERM), None)) is not None:
            signal.signal(signal.SIGTERM, previous)

    def chain_sigterm(self) -> None:
        """Handle SIGTERM, after which the handler that is there now does what it would have done.

        Call it again when a server may have put another one there. Nothing is done beside the main thread, which alone
        may set handlers, or where SIGTERM is ignored or not handled by Python.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        previous = signal.getsignal(signal.SIGTERM)
        if previous is None or previous == signal.SIG_IGN or previous in self._links:
            return
        link = partial(self._on_sigterm, previous)  # each knows its own: a server may put an earlier one back
        self._links[link] = previous
        signal.signal(signal.SIGTERM, link)

    def forget_parent(self) -> None:
        """Begin anew in a forked child, which nobody has told to end."""
        self.is_ending = False

    def _on_sigterm(self, previous: Any, number: int, frame: FrameType | None) -> None:
        self.is_ending = True
        if callable(previous):
            self._hasten()
            previous(number, frame)
        else:
            self._leave()
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    def _watch_workers(self, module: str) -> None:
        """Leave at the end of each process that this module starts by forking, ours too if it is one."""
        util: Any = sys.modules[module]
        anchor = _Anchor()

        def finalise(_: object) -> None:
            util.Finalize(None, self._leave, exitpriority=0)

        def undo() -> None:
            nonlocal anchor
            anchor = None  # the registry holds it weakly

        util.register_after_fork(anchor, finalise)
        self._undos.append(undo)
        parent: Any = getattr(sys.modules.get("multiprocessing.process"), "parent_process", None)
        if module == "multiprocessing.util" and parent is not None and parent() is not None:
            finalise(None)


class _Anchor:
    """Lives as long as the wish to be called after a fork."""
