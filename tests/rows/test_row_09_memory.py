"""Row 9: memory, of each instance by itself, and how near it is to its container's limit."""

import re
import signal

SERVICE = """
import gc
from fastapi import FastAPI
from instrumentation import instrument

app = FastAPI()
instrument(app, service_name="leaky")
kept = []

@app.get("/leak")
async def leak():
    kept.append(b"x" * 64 * 2**20)
    kept.extend([] for _ in range(100_000))
    gc.collect()
"""


def read(page, name):
    """Return the value of a metric that has one series on the page."""
    return float(re.search(rf"^{name} (\S+)", page, re.MULTILINE)[1])


def test_a_leak_raises_the_gauge_of_its_instance(serve_program, fetch, otlp_sink, plain):
    """64 MiB that one of two instances keeps are in its own gauge, and not in the other's; both leave by OTLP."""
    leaky, leaky_url = serve_program(SERVICE, OTEL_METRIC_EXPORT_INTERVAL="300")
    calm, calm_url = serve_program(SERVICE, OTEL_METRIC_EXPORT_INTERVAL="300")
    before, calm_before = (fetch(f"{url}/metrics")[0] for url in (leaky_url, calm_url))
    fetch(f"{leaky_url}/leak")
    after, calm_after = (fetch(f"{url}/metrics")[0] for url in (leaky_url, calm_url))
    grown = read(after, "process_memory_usage_bytes") - read(before, "process_memory_usage_bytes")
    calm_grown = read(calm_after, "process_memory_usage_bytes") - read(calm_before, "process_memory_usage_bytes")
    assert grown >= 60 * 2**20
    assert calm_grown < 20 * 2**20
    tracked = "cpython_gc_tracked_objects"
    assert read(after, tracked) - read(before, tracked) >= 99_000

    def usage():
        """Return the newest value of each instance."""
        return {
            plain(resource.attributes)["service.instance.id"]: metric.sum.data_points[0].as_int
            for resource, _, metric in otlp_sink.resources("metrics")
            if metric.name == "process.memory.usage"
        }

    otlp_sink.wait_for(lambda: len(usage()) == 2 and max(usage().values()) - min(usage().values()) >= 40 * 2**20)
    for process in (leaky, calm):
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
