"""A port of its own for the metrics."""

import socket
import urllib.request

import pytest

from instrumentation.export.scrape import render
from instrumentation.export.scrape_server import serve
from tests.export.conftest import OPENMETRICS


def test_page_on_its_own_port(store):
    """The port serves /metrics in the format asked for, 404 elsewhere, and is closed by shutdown."""
    server = serve("127.0.0.1", 0, lambda accept: render(store, {}, accept))
    try:
        url = f"http://127.0.0.1:{server.port}"
        request = urllib.request.Request(f"{url}/metrics", headers={"Accept": OPENMETRICS})
        with urllib.request.urlopen(request, timeout=10) as response:
            assert response.headers["Content-Type"].startswith("application/openmetrics-text")
            assert b"ours_total" in response.read()
        with pytest.raises(urllib.error.HTTPError, match="404") as caught:
            urllib.request.urlopen(f"{url}/secret", timeout=10)
        caught.value.close()
    finally:
        server.shutdown()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", server.port)) != 0


def test_busy_port_is_told():
    """A port that cannot be had is told with its number and variable, and the service goes on."""
    said = []
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert serve("127.0.0.1", port, lambda accept: (b"", ""), said.append) is None
    assert serve("127.0.0.1", 99999, lambda accept: (b"", ""), said.append) is None
    assert str(port) in said[0]
    assert "OTEL_EXPORTER_PROMETHEUS_PORT" in said[0]
    assert len(said) == 2
