"""One process of the shop: started, watched, stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

_LEASH = Path(__file__).with_name("leash.py")
TAIL_LINES = 12
_TAIL_BYTES = 16_384


class ChildFailedError(Exception):
    """A process ended by itself, or did not become ready in time. The message shows the end of its log."""


@dataclass(slots=True)
class Child:
    """One process, in a process group of its own, which ends with its parent.

    Attributes:
        name: What people call it; its log is `NAME.log`.
        command: The program, an absolute path, and its arguments.
        environment: All of its environment.
        log_path: Where stdout and stderr go; started anew with each start.
        is_ready: Asked while it starts: whether it serves.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log_path: Path
    is_ready: Callable[[Child], bool]
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        """Start the process; returns before it is ready."""
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        leashed = [sys.executable, "-I", "-S", str(_LEASH), str(os.getpid()), *self.command]
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(  # noqa: S603 - the command is the runner's own
                leashed, env=dict(self.environment), stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0
            )

    @property
    def pid(self) -> int:
        """Process id; only after start."""
        assert self.process is not None, f"{self.name} was not started"  # noqa: S101 - a mistake of the caller
        return self.process.pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self.process is not None and self.process.poll() is None

    def check(self) -> None:
        """Raise ChildFailedError if the process has ended."""
        if self.process is not None and self.process.poll() is not None:
            raise ChildFailedError(f"{self.name} ended with {_exit_text(self.process.returncode)}\n{self.tail()}")

    def wait_ready(self, timeout_seconds: float, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Wait until it serves; `meanwhile` is called now and then, and may raise to end the waiting.

        Raises:
            ChildFailedError: it ended, or is not ready after `timeout_seconds`.
        """
        deadline = time.monotonic() + timeout_seconds
        while not self.is_ready(self):
            self.check()
            meanwhile()
            if time.monotonic() > deadline:
                raise ChildFailedError(f"{self.name} is not ready after {timeout_seconds:g} s\n{self.tail()}")
            time.sleep(0.05)
        self.check()

    def log_text(self) -> str:
        """Return what it has written so far."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def tail(self) -> str:
        """Return the last lines it wrote, indented, under the path of its log."""
        with suppress(FileNotFoundError), self.log_path.open("rb") as log:
            log.seek(max(0, self.log_path.stat().st_size - _TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()[-TAIL_LINES:]
            return "\n".join([f"  {self.log_path}:", *(f"    {line}" for line in lines)])
        return f"  {self.log_path} is empty"

    def stop(self, timeout_seconds: float) -> None:
        """End it on purpose, as `stop_all` does: `check` does not mind, and it can be started again."""
        ended, self.process = replace(self), None
        stop_all([ended], timeout_seconds)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its process group; nothing if it has ended."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)


def stop_all(children: Sequence[Child], timeout_seconds: float) -> None:
    """End the processes together: SIGTERM, and SIGKILL to the groups of those left after `timeout_seconds`."""
    started = [child for child in children if child.process is not None]
    for child in started:
        child.signal(signal.SIGTERM)
    deadline = time.monotonic() + timeout_seconds
    for child in started:
        assert child.process is not None  # noqa: S101 - chosen above
        with suppress(subprocess.TimeoutExpired):
            child.process.wait(max(0.0, deadline - time.monotonic()))
    for child in started:
        child.signal(signal.SIGKILL)  # also what a child left behind in its group
        assert child.process is not None  # noqa: S101 - chosen above
        child.process.wait()


def _exit_text(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
