"""The README's code is run as it stands."""

import re
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_example_runs(fetch, serve_program, otlp_sink):
    """The README's service starts as it stands there, answers, and gives a trace and a log line of it."""
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    _, url = serve_program(code)
    body, headers = fetch(f"{url}/hello/ann")
    assert body == '"hello ann"'
    otlp_sink.wait_for(lambda: otlp_sink.records("traces") and len(otlp_sink.records("logs")) >= 2)
    (span,) = otlp_sink.records("traces")
    assert span.name == "GET /hello/{name}"
    assert headers["traceresponse"][3:35] == span.trace_id.hex()
    (greeted,) = [record for record in otlp_sink.records("logs") if record.body.string_value == "greeted"]
    assert greeted.trace_id == span.trace_id


def test_the_commands_exist():
    """Every make target and every setting that the README names exists."""
    makefile = (Path(__file__).parents[1] / "Makefile").read_text()
    for target in re.findall(r"\bmake ([a-z-]+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
