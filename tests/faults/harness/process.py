"""A program of the harness: started, watched, stopped, thawed; never left behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

HARNESS = Path(__file__).parents[1]


def clean_environment(**environment):
    """Return the process' environment without what would configure the kit, and with `environment`."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "CLEW_", "PYTEST_"))}
    places = (HARNESS, HARNESS.with_name("fixtures"), HARNESS.parents[1])
    return {**kept, "PYTHONPATH": os.pathsep.join(map(str, places)), **environment}


class Resources(NamedTuple):
    """What a process holds.

    Attributes:
        rss_mib: Memory.
        threads: How many.
        files: Open file descriptors.
        cpu_seconds: User and system time so far.
    """

    rss_mib: float
    threads: int
    files: int
    cpu_seconds: float


class Program:
    """A child process.

    Args:
        arguments: What Python runs: `-m`, module and its arguments.
        directory: Where it runs and where its `stderr` goes.
        stdout: A file or descriptor; by default a file `stdout` in the directory.
        environment: Beside the cleaned one.
    """

    def __init__(self, *arguments, directory, stdout=None, **environment):
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        with (directory / "stdout").open("ab") as out, (directory / "stderr").open("ab") as err:
            self.popen = subprocess.Popen(
                [sys.executable, *map(str, arguments)],
                cwd=directory,
                env=clean_environment(**environment),
                stdin=subprocess.DEVNULL,
                stdout=out if stdout is None else stdout,
                stderr=err,
            )
        self.pid = self.popen.pid

    def serves(self, port, seconds=90):
        """Wait until it accepts on the port."""
        end = time.monotonic() + seconds
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                assert self.popen.poll() is None, f"ended with {self.popen.returncode}: {self.stderr()}"
                assert time.monotonic() < end, f"port {port} is not served: {self.stderr()}"
                time.sleep(0.02)
            else:
                return self

    def stderr(self):
        """Return what it has written to stderr."""
        return (self.directory / "stderr").read_text(errors="replace")

    def signal(self, number):
        """Send it a signal."""
        self.popen.send_signal(number)

    def kill(self):
        """End it as `kill -9` does."""
        self.popen.kill()
        return self.popen.wait()

    def terminate(self, seconds=30):
        """Send SIGTERM; return how long it took to exit, in seconds."""
        started = time.monotonic()
        self.signal(signal.SIGTERM)
        self.popen.wait(seconds)
        return time.monotonic() - started

    def close(self):
        """End it if it still runs, frozen or not."""
        if self.popen.poll() is None:
            self.kill()

    def resources(self):
        """Return what it holds now."""
        proc = Path(f"/proc/{self.pid}")
        fields = (proc / "stat").read_text().rpartition(")")[2].split()
        cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        rss = int((proc / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
        return Resources(rss, int(fields[17]), len(list((proc / "fd").iterdir())), cpu)
