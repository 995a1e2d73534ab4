"""What a trace weighs while a Collector keeps it until it has decided: the memory that tail sampling needs."""

import time
import urllib.request
from pathlib import Path

from benchmarks.volume.orders import Meter
from stack.native import ROOT, Backends, Plan

TIMES = 6
"""How often the recorded spans are sent: enough that they outweigh the program."""
SETTLE_SECONDS = 3.0


def memory_for_each_byte(bodies: list[tuple[str, bytes]], directory: Path) -> float:
    """Send recorded spans to a Collector that decides later; return what one byte of the wire takes in its memory."""
    overlays = (ROOT / "collector/tail-sampling.yaml", "yaml:processors::tail_sampling::decision_wait: 10m")
    plan = Plan(directory, overlays=overlays, environment={"COLLECTOR_MEMORY_MIB": "4000"})
    collector = Backends(plan)
    sent = 0
    try:
        collector.start("otelcol")
        meter = Meter({"otelcol": collector.children["otelcol"]})
        before = meter.memory_mib()["otelcol"]
        for path, body in bodies * TIMES:
            if path == "/v1/traces":
                headers = {"content-type": "application/x-protobuf"}
                urllib.request.urlopen(urllib.request.Request(collector.otlp_url + path, body, headers)).close()
                sent += len(body)
        time.sleep(SETTLE_SECONDS)
        return (meter.memory_mib()["otelcol"] - before) * 2**20 / sent
    finally:
        collector.stop()
