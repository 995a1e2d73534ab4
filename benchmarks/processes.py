"""Start what is measured, read its CPU time and memory, and stop it in a way that lets everybody flush."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
_CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = str(_CORES[0]), str(_CORES[-1])
"""What is measured has a core for itself; load generators, sinks and brokers share the other."""


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def started(core: str, command: list[str], port: int, **environment: str) -> Iterator[int]:
    """Run a program on one core until it serves its port; interrupt it at the end. Yields its process id.

    By SIGINT, which ends with Python's exit handlers: on SIGTERM the SDK would lose its last batch under uvicorn.
    """
    process = _popen(core, command, environment)
    try:
        for _ in range(1200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.1):
                break
            if process.poll() is not None:
                sys.exit(f"{' '.join(command)} ended with status {process.returncode}")
            time.sleep(0.05)
        else:
            sys.exit(f"{' '.join(command)} did not serve port {port} within 60 s")
        yield process.pid
    finally:
        process.send_signal(signal.SIGINT)
        _wait(process)


@contextlib.contextmanager
def piped(core: str, command: list[str], **environment: str) -> Iterator[tuple[int, socket.socket]]:
    """Run a program on one core with a socket, whose descriptor is its last argument; it ends when that is closed.

    Yields its process id and the other end.
    """
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            descriptor = theirs.fileno()
            process = _popen(core, [*command, str(descriptor)], environment, pass_fds=(descriptor,))
        try:
            yield process.pid, ours
        finally:
            ours.shutdown(socket.SHUT_RDWR)
            _wait(process)


def _popen(core: str, command: list[str], environment: dict[str, str], **options: Any) -> "subprocess.Popen[bytes]":
    pinned = ["taskset", "-c", core, *command]
    return subprocess.Popen(pinned, env={**os.environ, **environment}, cwd=ROOT, stdout=subprocess.DEVNULL, **options)


def _wait(process: "subprocess.Popen[bytes]") -> None:
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def cpu_seconds(pid: int) -> float:
    """Return user and system time of a process so far, of all its threads, without what the hypervisor took away.

    What /proc tells in ticks of 10 ms, to the nanosecond: a process' clock has its id in it (clock_getcpuclockid(3)).
    """
    return time.clock_gettime((~pid << 3) | 2)


def resident_mib(pid: int) -> float:
    """Return the memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
