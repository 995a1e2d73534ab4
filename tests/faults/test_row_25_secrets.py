"""Row 25: secrets in every place that a request has, and in all that a service says of it."""

import re

import httpx
import pytest
from served_program import ServedProgram

SERVICE = """
import logging
import httpx
from fastapi import Body, FastAPI, Request
from opentelemetry import _logs, baggage, context, trace
from opentelemetry._logs import LogRecord
from sqlalchemy import create_engine, text
from instrumentation import get_logger, instrument, span

app = FastAPI()
instrument(app, service_name="told")
engine = create_engine("sqlite://")
log = logging.getLogger("shop")

@app.post("/orders")
async def orders(request: Request, body: dict = Body()):
    headers = dict(request.headers)
    log.info("asked %s with %s", request.url, headers)
    log.warning("said", extra={"headers": headers, "password": body["password"], "query": f"token={body['token']}"})
    get_logger("told").info("logged in", authorization=headers["authorization"], who={"api_key": body["token"]})
    record = LogRecord(body=f"password={body['password']}", attributes={"cookie": headers["cookie"]})
    _logs.get_logger("api").emit(record)
    with span("charge", card_token=body["token"], url=str(request.url)) as charged:
        charged.set_attribute("http.request.header.authorization", headers["authorization"])
        charged.set_attribute("db.statement", f"SELECT * FROM users WHERE name = '{body['password']}'")
        charged.add_event("tried", {"secret": body["token"], "said": f"Bearer {body['token']}"})
        charged.set_status(trace.StatusCode.ERROR, f"refused: password={body['password']}")
    context.attach(baggage.set_baggage("session_token", body["token"]))
    context.attach(baggage.set_baggage("said", f"password={body['password']}"))
    context.attach(baggage.set_baggage("tenant", "acme"))
    async with httpx.AsyncClient(auth=("ann", body["password"])) as client:
        return (await client.get(f"{request.base_url}carried?token={body['token']}")).json()

@app.get("/carried")
async def carried(request: Request):
    return request.headers.get("baggage")

@app.post("/fails")
async def fails(request: Request, body: dict = Body()):
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE IF NOT EXISTS users (name TEXT UNIQUE)"))
        for _ in range(2):
            connection.execute(text("INSERT INTO users VALUES (:name)"), {"name": body["password"]})

@app.post("/refuses")
async def refuses(request: Request, body: dict = Body()):
    raise PermissionError(f"{request.method} {request.url}: password={body['password']} Bearer {body['token']}")
"""
CANARIES = {
    "query": "canaryquery1",
    "user": "canaryuser1",
    "cookie": "canarycookie1",
    "header": "canaryHeader1",
    "token": "canaryToken1",
    "password": "canarypassword1",
}
HEADERS = {
    "Authorization": f"Bearer {CANARIES['header']}",
    "Cookie": f"session={CANARIES['cookie']}; theme=dark",
    "X-Api-Key": CANARIES["token"],
    "Referer": f"https://{CANARIES['user']}:{CANARIES['user']}@shop.example/?a={CANARIES['query']}",
    "baggage": f"auth_token={CANARIES['token']}",
}
BODY = {"password": CANARIES["password"], "token": CANARIES["token"]}


@pytest.fixture(scope="module", params=["json", "pretty", pytest.param("whole", marks=pytest.mark.faults)])
def told(request, tmp_path_factory, make_otlp_sink):
    """All that left a service that was given secrets, and told of them, and the baggage that it carried on."""
    sink = make_otlp_sink()
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint,
        "CLEW_LOG_FORMAT": {"whole": "ecs"}.get(request.param, request.param),
    }
    with ServedProgram(tmp_path_factory.mktemp("told"), SERVICE, **environment) as served:
        url = f"http://127.0.0.1:{served.port}"
        query = f"coupon={CANARIES['query']}"
        answers = [
            httpx.post(f"{url}{path}?{query}", json=BODY, headers=HEADERS, timeout=30)
            for path in ("/orders", "/fails", "/refuses")
        ]
        page = httpx.get(f"{url}/metrics", timeout=30).text
        printed = served.end()
    sink.close()
    assert [answer.status_code for answer in answers] == [200, 500, 500], printed
    requests = [request for _, request in sink.requests]
    return {"lines": printed, "page": page, "OTLP": "".join(map(str, requests)), "baggage": answers[0].text}


def test_no_secret_leaves_by_any_door(told, tell):
    """What is a secret by its name, place or form is in no span, record, line, metric or baggage; all else is there."""
    found = {
        (name, place, re.search(f".{{0,60}}{canary}", text)[0])
        for name, canary in CANARIES.items()
        for place, text in told.items()
        if canary in text
    }
    tell(
        f"{len(CANARIES)} secrets in query, URL, headers, cookies, body, SQL, messages of exceptions, log calls, "
        "attributes of spans and baggage",
        f"{len(found)} found in {len(told)} outputs",
        sorted(found),
    )
    assert "tenant=acme" in told["baggage"]
    for said in ("asked", "logged in", "charge", "PermissionError", "UNIQUE constraint failed", "redacted"):
        assert said in told["OTLP"], said
    for said in ("asked", "logged in", "PermissionError", "redacted"):
        assert said in told["lines"], said
