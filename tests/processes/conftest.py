"""Servers of several processes, and what their pages say."""

import os
import re
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

import httpx
import psutil
import pytest

FASTAPI = """
import os, time
from fastapi import FastAPI
from opentelemetry import metrics
from instrumentation import get_logger, instrument

app = FastAPI()
instrument(app, service_name="workers")
orders = metrics.get_meter("m").create_counter("orders")

@app.get("/work")
def work():
    orders.add(1)
    get_logger().info("worked")
    time.sleep(0.01)  # so that requests at one time need several workers
    return os.getpid()
"""
WIRING = 'instrument(app, service_name="workers")\n'
"""What a program under `clew run` does without."""
FLASK = (
    FASTAPI.replace("from fastapi import FastAPI", "from flask import Flask")
    .replace("FastAPI()", "Flask('shop')")
    .replace("return os.getpid()", "return str(os.getpid())")
)
CLEW_RUN = [sys.executable, "-m", "instrumentation.cli", "run", "--service-name", "workers", "--"]
OPENMETRICS = {"Accept": "application/openmetrics-text"}


class Server:
    """A server of several workers, and one that asks it.

    Attributes:
        process: The supervisor.
        url: Where it serves.
    """

    def __init__(self, process, url):
        self.process = process
        self.url = url
        self.served = 0
        self._counting = Lock()

    def wait_until_served(self, workers):
        """Wait until that many workers have answered; count the answers."""
        seen, end = set(), time.monotonic() + 90
        with ThreadPoolExecutor(3 * workers) as together:  # one after the other may all go to one worker
            while len(seen) < workers:
                assert time.monotonic() < end, f"{len(seen)} of {workers} workers answer"
                assert self.process.poll() is None, self.process.communicate()
                seen.update(together.map(lambda _: self.work(), range(3 * workers)))
                seen.discard(None)
        return seen

    def work(self):
        """Make one request on a connection of its own; return the worker's process id, None if nobody answers."""
        try:
            answer = httpx.get(f"{self.url}/work", timeout=20)
        except httpx.TransportError:
            time.sleep(0.02)
            return None
        assert answer.status_code == 200
        with self._counting:
            self.served += 1
        return int(answer.text)

    def page(self, seconds=20):
        """Return the metrics as one worker shows them, and how long that took."""
        began = time.monotonic()
        answer = httpx.get(f"{self.url}/metrics", headers=OPENMETRICS, timeout=seconds)
        assert answer.status_code == 200
        return answer.text, time.monotonic() - began

    def orders(self):
        """Return the counter and the histogram's count on one worker's page."""
        page, _ = self.page()
        counted = value(page, "http_server_request_duration_seconds_count")
        return value(page, "orders_total"), counted

    def wait_for_orders(self, count, seconds=20):
        """Wait until pages show exactly that many; any worker's page at any time at most that."""
        end = time.monotonic() + seconds
        while (shown := self.orders()) != (count, count):
            assert max(shown) <= count, f"{shown} of {count}"
            assert time.monotonic() < end, f"{shown} of {count}"
            time.sleep(0.05)

    def wait_for_published(self):
        """Wait as long as a worker may take to publish what it has counted."""
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            assert self.orders()[0] <= self.served
            time.sleep(0.1)

    def workers(self):
        """Return the processes that serve: children, of which some are a helper of multiprocessing."""
        return psutil.Process(self.process.pid).children()

    def stop(self, number=signal.SIGTERM, seconds=20):
        """End it, and return status, output and how long that took."""
        began = time.monotonic()
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=seconds)
        return self.process.returncode, out + err, time.monotonic() - began


def value(page, name):
    """Return the sum of all series of a name."""
    return sum(
        float(line.split(" # ")[0].rpartition(" ")[2]) for line in page.splitlines() if re.match(rf"{name}[ {{]", line)
    )


@pytest.fixture
def serve(run, free_port):
    """Start a server: gunicorn or uvicorn, with its arguments."""
    servers = []

    def start(kind, code, *arguments, clew_run=False, **environment):
        port = free_port()
        address = ["--port", str(port)] if kind == "uvicorn" else ["--bind", f"127.0.0.1:{port}"]
        command = [sys.executable, "-m", kind, "program:app", *address, *arguments]
        process = run(code, wait=False, command=[*(CLEW_RUN if clew_run else ()), *command], **environment)
        servers.append(Server(process, f"http://127.0.0.1:{port}"))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            children = psutil.Process(server.process.pid).children(recursive=True)
            server.process.kill()
            for child in children:  # one that is stopped would hold the pipes
                if child.is_running():
                    child.kill()
            server.process.communicate(timeout=20)


@pytest.fixture
def files_of():
    """Return the files that the workers of a supervisor share."""
    where = Path("/dev/shm" if os.access("/dev/shm", os.W_OK) else "/tmp", f"clew-{os.geteuid()}")
    return lambda pid: [file for file in where.iterdir() if file.name.split("-")[1] == str(pid)]
