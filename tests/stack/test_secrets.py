"""What must never be stored is in no backend."""

import base64
import json
import secrets
import subprocess
import sys
import time
from contextlib import suppress

import pytest

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

PROGRAM = """
import sys
from instrumentation import get_logger, instrument, span

header, card, password, token = sys.argv[1:5]
telemetry = instrument(service_name="careless")
log = get_logger("careless")
with span("charge", card=card, **{"http.request.header.authorization": f"Bearer {header}"}) as current:
    trace_id = format(current.get_span_context().trace_id, "032x")
    log.info("charging", authorization=f"Bearer {header}", card_number=card)
    log.info(f"calling https://ann:{password}@bank.example/charge for {card}")
    current.set_attribute("url.full", f"https://ann:{password}@bank.example/charge")
    try:
        with span(f"call https://ann:{password}@bank.example"):
            raise RuntimeError(f"refused: token={token}")
    except RuntimeError:
        log.exception("charge failed")
telemetry.shutdown(10)
print(trace_id)
"""


@pytest.fixture(scope="module")
def planted(stack):
    """The secrets that a careless program emitted, and its trace."""
    card = "4" + "".join(secrets.choice("0123456789") for _ in range(15))
    values = [f"hdr{secrets.token_hex(12)}", card, f"pw{secrets.token_hex(8)}", f"tok{secrets.token_hex(12)}"]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *values],
        env={"OTEL_EXPORTER_OTLP_ENDPOINT": stack.otlp_url, "CLEW_LOG_FORMAT": "json"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return values, done.stdout.splitlines()[-1]


def found(value, text):
    """Whether a text holds a value, as it is or in base64."""
    return value in text or base64.b64encode(value.encode()).decode().rstrip("=") in text


def test_planted_secrets_are_in_no_backend(planted, stack, stack_reader):
    """A header, a card number, a password in a URL and a token in an exception are in no trace, log or series."""
    values, trace_id = planted
    deadline = time.monotonic() + 60
    while True:
        spans = stack_reader.trace(trace_id)
        lines = stack_reader.logs('{service_name="careless"}')
        if len(spans) == 2 and len(lines) >= 3:
            break
        assert time.monotonic() < deadline, (len(spans), len(lines))
        time.sleep(0.5)
    stored = json.dumps([spans, lines, stack_reader.series('{service_name="careless"}')])
    assert "charge failed" in stored, "the records themselves must be there, or nothing is proven"
    assert [value for value in values if found(value, stored)] == []


def contents(directory):
    """Read all files; anew if one went meanwhile, as its content is now in another."""
    while True:
        with suppress(FileNotFoundError):
            files = [path for path in directory.rglob("*") if path.is_file() and path.stat().st_size]
            return {path.relative_to(directory): path.read_bytes() for path in files}


def test_planted_secrets_are_in_no_file(planted, stack):
    """They are in no file of a backend either, nor in the Collector's queue."""
    values, _ = planted
    files = contents(stack.plan.directory)
    assert {"collector", "console", "loki", "prometheus"} <= {path.parts[0] for path in files}
    assert [str(path) for path, content in files.items() if any(value.encode() in content for value in values)] == []
