"""Row 3: one request ID from the entry to the last consumer."""

import re
import socket
from urllib.parse import urlsplit

import pytest

FIVE = {"gateway", "orders", "inventory", "payments", "notifications"}
MADE = re.compile(r"[0-9a-f]{32}")


def test_the_id_alone_finds_the_logs_of_all_services(place, backend, eventually):
    """An ID sent to the gateway is on the lines of every service on the HTTP, gRPC and event path, and on its spans."""
    placed = place()

    def lines():
        found = backend.logs(f'{{service_name=~".+"}} | request_id="{placed.request_id}"')
        return found if {labels["service_name"] for labels, _ in found} == FIVE else None

    assert {labels["trace_id"] for labels, _ in eventually(lines)} == {placed.trace_id}

    def entries():
        found = [span for span in backend.trace(placed.trace_id) if span.kind in ("SERVER", "CONSUMER")]
        return found if {span.service for span in found} == FIVE else None

    assert {span.attributes["request_id"] for span in eventually(entries)} == {placed.request_id}


@pytest.mark.slow
def test_the_id_is_on_no_metric(place, gateway, console, metric_points, eventually):
    """No label of any stored point and nothing on the scrape page holds a request ID."""
    placed = place()
    eventually(lambda: _has_exemplar(metric_points("http.server.request.duration"), placed.trace_id))
    names = {metric["name"] for metric in console.get("/api/metrics").json()["metrics"]}
    assert len(names) > 20
    for name in names:
        points = metric_points(name, limit=50)
        assert points
        assert placed.request_id not in repr([(point["attributes"], point["resource"]) for point in points]), name
        assert not [point for point in points if {"request_id", "request.id"} & set(point["attributes"])], name
    assert placed.request_id not in gateway.get("/metrics").text


def _has_exemplar(points, trace_id):
    return any(exemplar["trace_id"] == trace_id for point in points for exemplar in point["exemplars"])


def test_without_one_an_id_is_made_and_returned(gateway, backend, eventually):
    """A request without an ID gets one, which finds its lines."""
    request_id = gateway.get("/products").headers["x-request-id"]
    assert MADE.fullmatch(request_id)
    assert eventually(lambda: backend.logs(f'{{service_name="gateway"}} | request_id="{request_id}"'))


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param(b"x" * 10_000, id="10-kB"),
        pytest.param(b"x" * 129, id="a-little-long"),
        pytest.param(b"a b", id="blank"),
        pytest.param(b'a"b', id="quote"),
        pytest.param(b"<script>", id="markup"),
        pytest.param(b"\xff\xfe", id="no-text"),
        pytest.param(b"a\tb", id="tab"),
        pytest.param(b"a\rSet-Cookie: x=1", id="CR"),
        pytest.param(b"a\n b", id="folded"),
        pytest.param(b"%0d%0aSet-Cookie:x=1", id="encoded-CRLF"),
        pytest.param(b"${jndi:ldap://x}", id="lookup"),
    ],
)
def test_a_hostile_id_is_replaced(shop, backend, eventually, hostile):
    """An ID that could break a header, a line or a page is not answered, not logged and not passed on."""
    answer = _ask(shop.gateway_url, hostile)
    status = int(answer.split(b" ", 2)[1])
    assert b"set-cookie" not in answer.lower()
    if status == 400:  # the server itself refused the line as no HTTP
        assert hostile in (b"a\rSet-Cookie: x=1", b"a\n b", b"\xff\xfe")
        return
    assert status == 200
    found = re.findall(rb"(?im)^x-request-id: (.*?)\r$", answer)
    assert [MADE.fullmatch(one.decode()) is not None for one in found] == [True]
    request_id = found[0].decode()
    ((labels, _),) = eventually(lambda: backend.logs(f'{{service_name="gateway"}} | request_id="{request_id}"'))
    (root, *_) = eventually(lambda: [span for span in backend.trace(labels["trace_id"]) if span.service == "gateway"])
    assert root.attributes["request_id"] == request_id


def _ask(url, request_id):
    """Send the bytes as they are, which no client library would, and return the answer's head."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(b"GET /products HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nX-Request-ID: ")
        connection.sendall(request_id + b"\r\n\r\n")
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer.partition(b"\r\n\r\n")[0] + b"\r\n"
