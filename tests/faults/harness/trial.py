"""One run: services under load, a fault that begins and ends, and the record of it all."""

import json
import threading
import time
import urllib.request
from contextlib import ExitStack
from itertools import takewhile
from typing import NamedTuple

from free_ports import find_free_port

from harness.load import Load
from harness.process import Program
from harness.proxy import ChaosProxy, Weather
from harness.record import Record, Side, since
from harness.sink import Sink

SWITCHED = "harness.switched:app"
HOST = "backend.test"
"""Resolved by that application alone."""
QUICK_TIMEOUT_SECONDS = 0.5
QUICK_ENVIRONMENT = {"OTEL_EXPORTER_OTLP_TIMEOUT": "500", "CLEW_FLUSH_INTERVAL": "0.1"}
QUICK_RATE = 100.0
SHARE = 0.6
"""Of what the two services can serve: the load."""
SAMPLE_SECONDS = 0.25
PATIENCE_SECONDS = 30.0


class Start(NamedTuple):
    """What was there before a run, nothing queued: books, requests that its receiver took, characters on stderr."""

    books: dict | None = None
    taken: int = 0
    stderr: int = 0


class Service:
    """The probe under uvicorn, and the receiver it sends to.

    Attributes:
        sink: Its receiver.
        program: Its process.
        port: Where it serves.
        serving_seconds: From its start until it served.
    """

    def __init__(self, directory, sink, endpoint, *, application=SWITCHED, stdout=None, **environment):
        self.sink = sink
        self.directory = directory
        self.port = find_free_port()
        self.started = time.monotonic()
        self.serving_seconds = 0.0
        self.program = Program(
            *("-m", "uvicorn", application, "--port", self.port, "--log-level", "warning"),
            directory=directory,
            stdout=stdout,
            **{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_METRIC_EXPORT_INTERVAL": "1000", **environment},
        )

    def health(self):
        """Return books and stalls so far."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=20) as response:
            return json.load(response)

    def so_far(self):
        """Return what a later run does not count."""
        return Start(self.health()["books"], len(self.sink.taken()), len(self.program.stderr()))

    def settle(self, seconds=PATIENCE_SECONDS):
        """Wait until no span, log record or line is queued, or the time is over."""
        end = time.monotonic() + seconds
        while any(self.health()["books"][signal]["queued"] for signal in ("traces", "logs", "lines")):
            if time.monotonic() > end:
                return
            time.sleep(0.05)


class Trial:
    """What a row attacks.

    Args:
        directory: Where its processes write.
        pace: How thorough it is.
        rate: Requests per second to each service.
        weather: From before the service starts.
        tls: What the proxy speaks.
        stdout: Of the attacked service.
        settings: Of the attacked service and the twin: `application`, and environment variables.

    Attributes:
        sink: The receiver of the attacked service, behind `proxy`.
        proxy: The network between them.
        service: The attacked service.
        twin: The same without the fault; None in a quick run.
    """

    def __init__(self, directory, pace, rate, *, weather=Weather.FAIR, tls=None, stdout=None, **settings):
        self._directory = directory
        self._pace = pace
        self._rate = rate
        self._has_run = False
        self._stack = ExitStack()
        settings = settings if pace.is_whole else {**QUICK_ENVIRONMENT, **settings}
        self.sink = self._closing(Sink(directory / "sink"))
        self.proxy = self._closing(ChaosProxy(self.sink.port, tls))
        self.proxy.turn(weather)
        self.sink.start()
        address, name = ("127.0.0.1", "127.0.0.1" if tls else HOST)
        url = self.proxy.url.replace(address, name)
        self.service = self._service("service", self.sink, url, {**settings, "stdout": stdout})
        self.twin = None
        if pace.is_whole:
            sink = self._closing(Sink(directory / "twin-sink")).start()
            self.twin = self._service("twin", sink, sink.url.replace(address, name), settings)
        for service in self._services():
            service.program.serves(service.port)
            service.serving_seconds = time.monotonic() - service.started

    def _closing(self, thing):
        self._stack.callback(thing.close)
        return thing

    def _service(self, name, sink, endpoint, settings):
        service = Service(self._directory / name, sink, endpoint, **settings)
        self._stack.callback(service.program.close)
        return service

    def _services(self):
        return [service for service in (self.service, self.twin) if service]

    def close(self):
        """End all its processes."""
        self._stack.close()

    def run(self, begin, end=None, seconds=None, *, last=True):
        """Load, call `begin`, call `end`, wait for delivery, stop the load. Return the record of this run alone.

        Args:
            begin: Begins the fault; its own time is part of the phase.
            end: Ends it; None: the services are stopped while it lasts.
            seconds: How long it lasts; default: a phase.
            last: Stop the services too.
        """
        starts = [service.so_far() if self._has_run else Start() for service in self._services()]
        self._has_run = True
        load = self._closing(Load(self._directory / "load", self._rate, *(each.port for each in self._services())))
        sampler = _Sampler(self._services())
        time.sleep(self._pace.warm_up_seconds)
        marks = [time.monotonic()]
        time.sleep(self._pace.phase_seconds)
        before = self.service.program.resources()
        marks.append(time.monotonic())
        begin()
        time.sleep(max(0.0, marks[-1] + (seconds or self._pace.phase_seconds) - time.monotonic()))
        if end is not None:
            end()
        marks.append(time.monotonic())
        resumed = 0.0
        if end is not None:
            resumed = self._wait_for_delivery(marks[-1])
            time.sleep(self._pace.phase_seconds)
        marks.append(time.monotonic())
        requests = load.stop()
        for service in self._services() if end is not None else ():
            service.settle()
        after = self.service.program.resources()
        samples = sampler.stop()
        sides = [
            self._side(service, start, sent, held, last=last)
            for service, start, sent, held in zip(self._services(), starts, requests, samples, strict=True)
        ]
        return Record(sides[0], sides[1] if self.twin else None, tuple(marks), resumed, before, after)

    def _wait_for_delivery(self, since):
        """Return the seconds until a span sent after `since` was taken."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            newest = reversed(self.sink.taken("traces"))
            arrived = [taken.at for taken in takewhile(lambda taken: taken.at > since, newest) if taken.ids][::-1]
            if arrived:
                return arrived[0] - since
            time.sleep(0.02)
        return PATIENCE_SECONDS

    def _side(self, service, start, requests, samples, *, last):
        health = service.health()
        stalls = [tuple(stall) for stall in health["stalls"]]
        exit_seconds = service.program.terminate() if last else 0.0
        books = json.loads((service.directory / "books").read_text()) if last else health["books"]
        taken = service.sink.taken()[start.taken :]
        stderr = service.program.stderr()[start.stderr :]
        lines_before = start.books["lines"]["delivered"] if start.books else 0
        served_before = start.books["traces"]["accepted"] if start.books else 0
        new_books, before = since(books, start.books), (lines_before, served_before)
        return Side(requests, stalls, samples, new_books, taken, stderr, exit_seconds, *before)


class _Sampler:
    """Reads what the services hold, a few times a second."""

    def __init__(self, services):
        self._programs = [service.program for service in services]
        self._samples = [[] for _ in services]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._over.wait(SAMPLE_SECONDS):
            for program, samples in zip(self._programs, self._samples, strict=True):
                samples.append((time.monotonic(), program.resources()))

    def stop(self):
        """Return the samples by service."""
        self._over.set()
        self._thread.join()
        return self._samples


def capacity(directory, seconds=4.0):
    """Measure how many requests per second two services serve, each, with a load that waits for nothing."""
    with ExitStack() as stack:
        services = []
        for name in ("one", "other"):
            sink = Sink(directory / f"{name}-sink").start()
            stack.callback(sink.close)
            services.append(Service(directory / name, sink, sink.url))
            stack.callback(services[-1].program.close)
        for service in services:
            service.program.serves(service.port)
        load = Load(directory / "load", 0, *(service.port for service in services))
        stack.callback(load.close)
        time.sleep(seconds)
        served = min(map(len, load.stop()))
    return served / seconds


def share_of(capacity_per_second):
    """Return the rate of the load, at a capacity."""
    return SHARE * capacity_per_second
