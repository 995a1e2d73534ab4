"""Row 2: structured logs, JSON on stdout, each line once."""

import json
import signal
from collections import Counter
from datetime import datetime

import httpx

SERVICE = """
import logging, warnings
import grpc, structlog
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from instrumentation import get_logger, instrument

app = FastAPI()
instrument(app, service_name="talker")
logging.captureWarnings(True)

@app.exception_handler(RuntimeError)
async def failed(request, error):
    logging.getLogger("handlers").error("handled", exc_info=error)
    return JSONResponse({}, 500)

@app.get("/talk/{number}")
async def talk(number: int):
    get_logger("kit").info("from the kit", number=number)
    structlog.get_logger().info("from structlog", number=number)
    logging.getLogger("old").warning("from stdlib %d", number)
    logging.getLogger("uvicorn.error").info("from uvicorn")
    logging.getLogger("grpc").error("from grpc")
    warnings.warn(f"old {number}", stacklevel=1)
    logging.getLogger("multi").info("one\\nrecord of\\r\\ntwo lines \\u2028 and \\x1b[31m")
    raise RuntimeError("no good")
"""
SAID = ["from the kit", "from structlog", "from stdlib 7", "from uvicorn", "from grpc", "handled"]
KEYS = ["timestamp", "level", "event", "logger", "service.name", "trace_id", "span_id", "request_id"]


def test_every_line_is_json_with_its_ids_and_comes_once(serve_program, fetch):
    """Each stdout line parses; all that a request makes any logger say has its ids; nothing is printed twice."""
    process, url = serve_program(SERVICE)
    fetch(f"{url}/metrics")  # served, and no line
    assert httpx.get(f"{url}/talk/7", headers={"X-Request-ID": "row-2"}).status_code == 500
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    assert err == ""
    lines = [json.loads(line) for line in out.splitlines()]
    for line in lines:
        assert list(line)[:5] == KEYS[:5]
        assert datetime.fromisoformat(line["timestamp"]).utcoffset().total_seconds() == 0
        assert (line["service.name"], line["level"] in {"info", "warning", "error"}) == ("talker", True)
    own = [line for line in lines if "request_id" in line]
    assert [list(line)[:8] for line in own] == [KEYS] * len(own)
    assert {line["request_id"] for line in own} == {"row-2"}
    assert len({(line["trace_id"], line["span_id"]) for line in own}) == 1
    events = Counter(line["event"] for line in own)
    (warned,) = [event for event in events if "old 7" in event]
    (several,) = [event for event in events if event.startswith("one\n")]
    assert several == "one\nrecord of\r\ntwo lines \u2028 and \x1b[31m"
    assert events == Counter([*SAID, warned, several, "GET /talk/{number} 500"])
    (handled,) = [line for line in own if line["event"] == "handled"]
    assert (handled["exception.type"], handled["exception.message"]) == ("RuntimeError", "no good")
    others = Counter(line["event"] for line in lines if "request_id" not in line)
    assert max(others.values()) == 1
    assert any(event.startswith("Uvicorn running on") for event in others)


def test_every_service_of_the_shop_prints_json(place, shop, eventually):
    """What an order makes the five services print are JSON lines with all keys, none twice."""
    placed = place()
    read = eventually(lambda: _complete(shop.plan.directory / "logs", placed.trace_id))
    lines = [json.loads(line) for line in read]
    assert [list(line)[:8] for line in lines] == [KEYS] * len(lines)
    assert {line["request_id"] for line in lines} == {placed.request_id}
    assert max(Counter((line["span_id"], line["event"], line["timestamp"]) for line in lines).values()) == 1
    assert [line["logger"] for line in lines if line["service.name"] == "gateway"] == ["access"]


def _complete(directory, trace_id):
    """Return the lines of a trace once all services have said something."""
    lines = [line for file in directory.glob("*.log") for line in file.read_text().splitlines() if trace_id in line]
    services = {json.loads(line)["service.name"] for line in lines}
    return lines if services == {"gateway", "orders", "inventory", "payments", "notifications"} else None
