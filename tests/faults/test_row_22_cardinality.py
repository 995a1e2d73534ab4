"""Row 22: strangers who never ask for the same thing twice."""

import re
import socket
import time

import psutil
import pytest
from served_program import ServedProgram

SERVICE = """
from fastapi import FastAPI
from opentelemetry import metrics
from instrumentation import instrument

app = FastAPI()
instrument(app, service_name="asked")
visits = metrics.get_meter("shop").create_counter("visits")

@app.get("/items/{item}")
async def item(item: str):
    visits.add(1, {"item": item})
"""
MAX_SERIES = 2000
MAX_GROWTH_BYTES = 8 * 1024 * 1024
SCRAPE_SECONDS = 0.2
AT_ONCE = 50
PAUSE_SECONDS = 0.02
"""After so many: a flood would fill the queues, by as much as chance has it, and memory is what is measured."""


def ask(port, requests):
    """Send requests over one connection, some at once, and read the answers."""
    with socket.create_connection(("127.0.0.1", port), 30) as connection:
        answers = connection.makefile("rb")
        for first in range(0, len(requests), AT_ONCE):
            some = requests[first : first + AT_ONCE]
            connection.sendall(b"".join(some))
            for _ in some:
                length = 0
                while (line := answers.readline()) != b"\r\n":
                    assert line, "closed"
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                answers.read(length)
            time.sleep(PAUSE_SECONDS)


def request(method, path, user_agent):
    return f"{method} {path} HTTP/1.1\r\nHost: shop\r\nUser-Agent: {user_agent}\r\n\r\n".encode()


def scrape(fetch, port):
    """Return the page and the best of three times that it took: the others are the machine's."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        page, _ = fetch(f"http://127.0.0.1:{port}/metrics")
        times.append(time.perf_counter() - start)
    return page, min(times)


@pytest.mark.timeout(600)
def test_ten_thousand_of_everything(pace, tell, tmp_path, fetch, otlp_sink):
    """Distinct paths, user agents and methods make no more series than the cap, no memory, no slow scrape.

    The memory is what they take beyond as many requests that are all the same, which fill queues and buffers too.
    """
    count, strange = pace.times(quick=2100, whole=10_000), pace.times(quick=500, whole=10_000)
    same = count + strange
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": otlp_sink.endpoint}
    # Of uvicorn's parsers this one lets made-up methods through.
    with ServedProgram(tmp_path, SERVICE, "--http", "h11", **endpoint) as served:
        process = psutil.Process(served.process.pid)
        ask(served.port, [request("GET", "/items/1", "usual")] * same)
        scrape(fetch, served.port)
        before = process.memory_info().rss
        ask(served.port, [request(f"M{n}", f"/{n}/{'x' * 100}", f"agent-{n}") for n in range(strange)])
        ask(served.port, [request("GET", f"/items/{n}", f"agent-{n}") for n in range(count)])
        page, seconds = scrape(fetch, served.port)
        grown = process.memory_info().rss - before
        printed = served.end()
    requests = re.findall(r"^http_server_request_duration_seconds_count\{(.*)\} (\d+)$", page, re.MULTILINE)
    known = {(re.search(r'http_request_method="(\w+)"', labels)[1], int(number)) for labels, number in requests}
    assert known == {("_OTHER", strange), ("GET", count + same)}
    visits = re.findall(r"^visits_total\{(.*?)\} (\d+)", page, re.MULTILINE)
    assert len(visits) == MAX_SERIES
    assert sum(int(number) for _, number in visits) == count + same
    assert re.search(r"^clew_metric_overflowed\w*_total (\d+)", page, re.MULTILINE)[1] == str(count - MAX_SERIES + 1)
    assert printed.count("'visits' has 2000 series") == 1
    figures = (
        f"{len(visits)} series, {grown / 1024 / 1024:.1f} MiB more than equal ones, scraped in {seconds * 1000:.0f} ms"
    )
    wrong = [figures] if seconds > SCRAPE_SECONDS or grown > MAX_GROWTH_BYTES else []
    tell(f"{count} paths, user agents and methods, and values of a counter's label", figures, wrong)
