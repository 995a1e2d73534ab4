"""The guide for who comes from other tools: its commands and programs do what it says."""

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "migration.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
OF_STRUCTLOG = [block for block in BLOCKS if "structlog" in block]


def test_a_program_of_opentelemetry_s_api_runs_by_the_command(run, otlp_sink):
    """The command in the place of opentelemetry-instrument's gives the spans of a program that knows the API alone."""
    (line,) = re.findall(r"^clew run .+$", PAGE, re.MULTILINE)
    words = {"clew": str(Path(sys.executable).with_name("clew")), "python": sys.executable, "orders.py": "program.py"}
    command = [words.get(word, word) for word in shlex.split(line)]
    code = """
    from opentelemetry import trace
    with trace.get_tracer("shop").start_as_current_span("charge"):
        pass
    """
    status, _, err = run(code, command=command)
    assert (status, err) == (0, "")
    ((resource, _, charge),) = otlp_sink.resources("traces")
    (service,) = [item.value.string_value for item in resource.attributes if item.key == "service.name"]
    assert (charge.name, service) == ("charge", "orders")


@pytest.mark.parametrize("block", OF_STRUCTLOG, ids=["kept", "taken out"])
def test_events_of_structlog(run, otlp_sink, block):
    """Each event is printed once and exported once, with its fields, the bound one and the span's ids."""
    status, out, err = run(block)
    assert (status, err) == (0, "")
    (charge,) = otlp_sink.records("traces")
    lines = [json.loads(line) for line in out.splitlines()]
    records = otlp_sink.records("logs")
    assert len(lines) == len(records) == block.count('info("charged"')
    for line, record in zip(lines, records, strict=True):
        assert (line["event"], line["level"], line["amount"]) == ("charged", "info", 12)
        assert (line["trace_id"], line["span_id"]) == (charge.trace_id.hex(), charge.span_id.hex())
        assert (record.body.string_value, record.trace_id) == ("charged", charge.trace_id)
    assert lines[0]["tenant"] == "t-1"
    assert ("at" in lines[0]) == ("structlog.configure" in block)
