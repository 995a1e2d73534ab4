"""The page to begin with: its programs print what it shows, and what it says of failures is what is said."""

import json
import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "getting-started.md").read_text()
VARYING = re.compile(r'(?<="timestamp": ")[^"]+|(?<="duration_seconds": )[\d.]+')
IDENTITY = re.compile(r"\b(?:[0-9a-f]{32}|[0-9a-f]{16})\b")


def section(title):
    """Return the program of a section and the output it shows."""
    _, _, rest = PAGE.partition(f"\n## {title}\n")
    text, _, _ = rest.partition("\n## ")
    (program,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (shown,) = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    return program, shown


def masked(output):
    """Replace what differs from run to run; an identity by its number of appearance, so that equals stay equal."""
    numbers = {}
    identified = IDENTITY.sub(lambda found: f"id {numbers.setdefault(found[0], len(numbers))}", output)
    return VARYING.sub("...", identified).splitlines()


def ordered(lines):
    """Put what is printed by itself before the lines of the kit, which another thread writes."""
    return sorted(lines, key=lambda line: line.startswith("{"))


@pytest.mark.parametrize("title", ["gRPC", "A worker", "A plain script"])
def test_a_program_prints_what_the_page_shows(run, otlp_sink, title):
    """Run as it stands the program prints the lines shown, key by key, and its lines' spans arrive."""
    program, shown = section(title)
    status, out, err = run(program)
    assert (status, err) == (0, "")
    assert ordered(masked(out)) == ordered(masked(shown))
    spans = {record.span_id.hex() for record in otlp_sink.records("traces")}
    assert {json.loads(line)["span_id"] for line in lines_of(out)} <= spans


def lines_of(output):
    return [line for line in output.splitlines() if line.startswith("{")]


def test_the_service_prints_what_the_page_shows(run, fetch, otlp_sink, free_port):
    """The FastAPI service, started as a program, answers, writes the two lines shown, and has its metrics page."""
    program, shown = section("FastAPI")
    port = free_port()
    assert "port=8000" in program
    process = run(program.replace("port=8000", f"port={port}"), wait=False)
    assert fetch(f"http://127.0.0.1:{port}/hello/ann")[0] == '"hello ann"'
    page, _ = fetch(f"http://127.0.0.1:{port}/metrics")
    assert 'http_route="/hello/{name}"' in page
    assert "asyncio_" in page or "eventloop" in page
    process.terminate()
    out, _ = process.communicate(timeout=20)
    lines = [line for line in out.splitlines() if json.loads(line)["logger"] in ("__main__", "access")]
    assert masked("\n".join(lines)) == masked(shown)
    assert {record.name for record in otlp_sink.records("traces")} == {"GET /hello/{name}", "greet"}


FAILURES = {
    "not delivered": ("from instrumentation import instrument, span\ninstrument()\nspan('a')(int)()", {}),
    "takes an application": ("from instrumentation import instrument\ninstrument(lambda scope: None)", {}),
    "needs grpcio": (
        "import sys\nsys.modules['grpc'] = None\nfrom instrumentation import instrument\ninstrument()",
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
    ),
    "provider is": (
        """
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.trace import set_tracer_provider
        set_tracer_provider(TracerProvider())
        from instrumentation import instrument
        instrument()
        """,
        {},
    ),
}


@pytest.mark.parametrize("says", FAILURES)
def test_what_is_said_when_nothing_shows_up(run, free_port, says):
    """Each message in the table of what may be wrong is on stderr in that very case."""
    (shown,) = [cell for cell in re.findall(r"^\| `(.+?)` \|", PAGE, re.MULTILINE) if says in cell]
    program, environment = FAILURES[says]
    endpoint = f"http://127.0.0.1:{free_port()}" if says == "not delivered" else None
    changed = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint} if endpoint else {}
    _, _, err = run(program, **changed, **environment)
    said = [part.strip() for part in shown.split("…")]
    assert all(part in err for part in said), (said, err)
