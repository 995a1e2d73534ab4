"""The console and Prometheus have the same series; they are asked over HTTP and answer as the real ones do."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from instrumentation.backend import Backend, UnansweredError
from instrumentation.canary.reading import BY_CALLER, METRICS, Console, Prometheus

LABELS = {"clew_target_service": "inventory", "clew_target_version": "1.1", "service_instance_id": "a"}


@contextmanager
def answering(answer):
    """A server that answers each question by its path and parameters."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            parts = urlsplit(self.path)
            body = json.dumps(answer(parts.path, {k: v[0] for k, v in parse_qs(parts.query).items()})).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield Backend("it", f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def prometheus(_path, parameters):
    name = "clew_target_call_duration_seconds"
    selector = '{clew_target_service="inventory"}'
    values = {
        f"{name}_bucket{selector}": [
            ({**LABELS, "le": le}, v) for le, v in (("0.1", "7"), ("+Inf", "9"), ("0.25", "8"))
        ],
        f"{name}_sum{selector}": [(LABELS, "1.5")],
    }[parameters["query"]]
    result = [{"metric": {"__name__": "x", **labels}, "value": [1, value]} for labels, value in values]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


def point(time_ns, counts, service="inventory", **attributes):
    return {
        "resource": {"service_name": "gateway", "service_instance_id": "a"},
        "attributes": {"clew.target.service": service, "clew.target.version": "1.1", **attributes},
        "time_ns": time_ns,
        "sum": 1.5,
        "buckets": {"bounds": [0.1, 0.25], "counts": counts},
    }


def test_prometheus_buckets_are_taken_apart():
    """Cumulative buckets, in whatever order, become counts of their own."""
    with answering(prometheus) as backend:
        (found,) = Prometheus(backend).series(BY_CALLER, "inventory")
    assert (found.version, found.failed, found.bounds, found.counts, found.seconds) == (
        "1.1",
        False,
        (0.1, 0.25),
        (7, 1, 1),
        1.5,
    )


def test_of_the_console_the_newest_point_of_each_series_counts():
    """Older points and other services are left out; calls with an error are a series of their own."""
    points = [
        point(2, [7, 1, 1]),
        point(1, [3, 0, 0]),
        point(2, [1, 0, 0], **{"error.type": "UNKNOWN"}),
        point(2, [5, 5, 5], service="orders"),
    ]

    def answer(path, parameters):
        assert (path, parameters["name"]) == ("/api/metrics/points", BY_CALLER.name)
        return {"points": points}

    with answering(answer) as backend:
        found = Console(backend).series(BY_CALLER, "inventory")
    assert {(each.failed, each.counts) for each in found} == {(False, (7, 1, 1)), (True, (1, 0, 0))}


def test_what_replicas_tell_of_themselves_is_found_by_their_resource():
    """There service and version are labels of whoever emits."""
    metric = METRICS["rpc.server.call.duration"]
    own = {**point(2, [4, 0, 0]), "resource": {"service_name": "inventory", "service_version": "1.1"}, "attributes": {}}
    with answering(lambda _path, _parameters: {"points": [own]}) as backend:
        (found,) = Console(backend).series(metric, "inventory")
    assert (found.version, found.counts) == ("1.1", (4, 0, 0))


def test_a_query_that_prometheus_refuses_is_said_with_its_words():
    """Not an empty answer, which would look like no traffic."""
    refusal = {"status": "error", "error": "too many samples"}
    with answering(lambda *_: refusal) as backend, pytest.raises(UnansweredError, match="too many samples"):
        Prometheus(backend).series(BY_CALLER, "inventory")
