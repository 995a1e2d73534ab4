"""The Elastic Common Schema: every part of a record under the name that ECS has for it."""

import json
import re

PROGRAM = """
import logging
from fastapi import FastAPI
from instrumentation import get_logger, instrument
app = FastAPI()
instrument(app)

@app.get("/orders/{order_id}")
async def read(order_id: str):
    get_logger("shop").info("read", order_id=order_id, items=[{"sku": "horn"}])
    try:
        {}["missing"]
    except KeyError:
        logging.getLogger("old").exception("failed")
"""


def test_each_field_has_its_name_in_ecs(serve_program, fetch):
    """Lines of structlog, logging and the access log are ECS, field by field, with one trace and request ID."""
    import signal

    process, url = serve_program(
        PROGRAM,
        CLEW_LOG_FORMAT="ecs",
        OTEL_SERVICE_NAME="orders",
        OTEL_RESOURCE_ATTRIBUTES="service.version=1.2.3,service.instance.id=i-1,deployment.environment.name=test",
    )
    _, headers = fetch(f"{url}/orders/7", **{"X-Request-ID": "r-1"})
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20)
    lines = [json.loads(line) for line in out.splitlines()]
    assert all(list(line)[:3] == ["@timestamp", "log.level", "message"] for line in lines)
    found = {line["message"]: line for line in lines if line.get("http.request.id") == "r-1"}
    read, failed, access = found["read"], found["failed"], found["GET /orders/{order_id} 200"]
    for line, logger in ((read, "shop"), (failed, "old"), (access, "access")):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line["@timestamp"])
        expected = {
            "ecs.version": "8.11.0",
            "service.name": "orders",
            "service.version": "1.2.3",
            "service.node.name": "i-1",
            "service.environment": "test",
            "event.dataset": "orders.log",
            "log.logger": logger,
            "trace.id": headers["traceresponse"][3:35],
            "http.request.id": "r-1",
        }
        assert {key: line[key] for key in expected} == expected
        assert re.fullmatch("[0-9a-f]{16}", line["span.id"])
    assert (read["log.level"], read["labels.order_id"]) == ("info", "7")
    assert json.loads(read["labels.items"]) == [{"sku": "horn"}]
    assert (failed["log.level"], failed["error.type"], failed["error.message"]) == ("error", "KeyError", "'missing'")
    assert failed["error.stack_trace"].startswith("Traceback (most recent call last):")
    assert failed["log.origin.function"] == "read"
    assert isinstance(failed["log.origin.file.line"], int)
    assert (access["http.request.method"], access["http.response.status_code"]) == ("GET", 200)
    assert (access["url.path"], access["labels.http_route"]) == ("/orders/7", "/orders/{order_id}")
    assert isinstance(access["event.duration"], int)
    assert 0 < access["event.duration"] < 20e9
