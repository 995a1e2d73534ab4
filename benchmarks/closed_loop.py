"""Drive a server as fast as it answers: wrk with 16 connections, each waiting for its answer.

Its latencies omit what would have been sent meanwhile (coordinated omission): `fixed_rate` tells those.
"""

import re
import subprocess
import sys
from typing import NamedTuple

from benchmarks.processes import LOAD_CORE

_MILLISECONDS = {"us": 0.001, "ms": 1, "s": 1000}
CONNECTIONS = 16


class Load(NamedTuple):
    """What the load generator saw.

    Attributes:
        requests: How many were answered.
        per_second: The same per second.
        p99_ms: 99th percentile of latency.
    """

    requests: int
    per_second: float
    p99_ms: float


def drive(url: str, seconds: int) -> Load:
    """Load the server; end the program if a request failed."""
    command = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", url]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in output or "Socket errors" in output:
        sys.exit(f"the server failed under load:\n{output}")
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", output).groups()
    per_second = float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1])
    return Load(int(re.search(r"(\d+) requests in", output)[1]), per_second, float(value) * _MILLISECONDS[unit])
