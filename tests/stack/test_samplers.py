"""collector/agent.yaml before several of collector/sampler.yaml: whole traces at one sampler, counted once."""

import urllib.request

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from stack.native import ROOT

pytestmark = pytest.mark.stack

TRACES = 60
FAILED_EVERY = 3
ERROR = 2
SAMPLERS = (
    ROOT / "collector/tail-sampling.yaml",
    ROOT / "collector/sampler.yaml",
    "yaml:processors::tail_sampling::decision_wait: 2s",
    "yaml:service::pipelines::traces/sampled::exporters: [otlp_http/console]",
)


def agent(samplers):
    """Return the overlays of an agent that sends to samplers at these ports, which no name has."""
    addresses = ", ".join(f'"127.0.0.1:{port}"' for port in samplers)
    return (
        ROOT / "collector/tail-sampling.yaml",
        ROOT / "collector/agent.yaml",
        f"yaml:exporters::load_balancing::resolver: {{dns: null, static: {{hostnames: [{addresses}]}}}}",
        "yaml:exporters::load_balancing::sending_queue::batch::min_size: 1",
        "yaml:connectors::span_metrics::metrics_flush_interval: 1s",
    )


def send(collector, numbers, part):
    """Send one span of each trace: `outer`, or `inner`, which in every third trace has an error."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "split"
    spans = resource.scope_spans.add().spans
    for number in numbers:
        began = 1_800_000_000_000_000_000
        span = spans.add(name=part, trace_id=bytes([number] * 16), span_id=part[:1].encode() * 8)
        span.start_time_unix_nano, span.end_time_unix_nano = began, began + 5_000_000
        span.parent_span_id = b"o" * 8 if part == "inner" else b""
        span.status.code = ERROR if part == "inner" and number % FAILED_EVERY == 0 else 0
    body, headers = request.SerializeToString(), {"content-type": "application/x-protobuf"}
    sent = urllib.request.Request(f"{collector.otlp_url}/v1/traces", body, headers)
    with urllib.request.urlopen(sent, timeout=10) as answer:
        assert answer.status == 200


def accepted(sampler):
    """Return how many spans a sampler says that it has taken."""
    with urllib.request.urlopen(f"{sampler.url('metrics')}/metrics", timeout=5) as answer:
        lines = [
            line for line in answer.read().decode().splitlines() if line.startswith("otelcol_receiver_accepted_spans")
        ]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def test_spans_that_come_apart_are_judged_together(start_collector, otlp_sink, tmp_path, plain):
    """Of traces that two agents have halves of, those with an error are kept whole; each span is counted once."""
    sending = {"SAMPLING_PERCENTAGE": "0", "SAMPLING_SLOW_MS": "60000"}
    samplers = [
        start_collector(*SAMPLERS, COLLECTOR_QUEUE_DIRECTORY=str(tmp_path / f"sampler-{number}"), **sending)
        for number in range(2)
    ]
    overlays = agent([sampler.ports["otlp_grpc"] for sampler in samplers])
    agents = [
        start_collector(*overlays, COLLECTOR_QUEUE_DIRECTORY=str(tmp_path / f"agent-{number}")) for number in range(2)
    ]
    numbers = range(1, TRACES + 1)
    send(agents[0], numbers, "outer")
    send(agents[1], numbers, "inner")

    def kept():
        ids = [span.trace_id[0] for span in otlp_sink.records("traces")]
        return {number: ids.count(number) for number in set(ids)}

    expected = {number: 2 for number in numbers if number % FAILED_EVERY == 0}
    otlp_sink.wait_for(lambda: sum(kept().values()) >= sum(expected.values()), 30)
    assert kept() == expected
    taken = [accepted(sampler) for sampler in samplers]
    assert sum(taken) == 2 * TRACES
    assert min(taken) > 0, "one sampler got all"

    def counted():
        newest = {}
        for metric in otlp_sink.records("metrics"):
            if metric.name == "traces.spanmetrics.calls":
                for point in metric.sum.data_points:
                    newest[tuple(sorted(plain(point.attributes).items()))] = point.as_int
        return sum(newest.values())

    otlp_sink.wait_for(lambda: counted() >= 2 * TRACES, 30)
    assert counted() == 2 * TRACES
