"""The doctor on a real console, and on servers that answer as a broken set-up does."""

import re
import subprocess
import sys
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from instrumentation.backend import Backend
from instrumentation.doctor.cli import main
from instrumentation.doctor.stack_causes import skew


@pytest.fixture(scope="module")
def console(tmp_path_factory):
    """A console of its own: its URL, and where it takes OTLP."""
    data = tmp_path_factory.mktemp("console")
    command = [sys.executable, "-m", "clew_console", "--port", "0", "--otlp-http-port", "0", "--otlp-grpc-port", "0"]
    process = subprocess.Popen(
        [*command, "--data", str(data)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    urls = []
    for line in process.stdout:
        urls += re.findall(r"http://127\.0\.0\.1:\d+", line)
        if len(urls) >= 2:
            break
    yield urls
    process.terminate()
    process.communicate(timeout=20)


@pytest.fixture
def answering():
    """Start servers that give one answer to everything."""
    servers = []

    def start(status, **headers):
        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                self.rfile.read(int(self.headers.get("content-length") or 0))
                self.send_response_only(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            do_GET = do_POST = answer

            def log_message(self, *_args):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append((server, threading.Thread(target=server.serve_forever, args=(0.05,))))
        servers[-1][1].start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_console_is_well(examine, console):
    """Every hop holds on the console."""
    url, otlp = console
    found = examine("--console", "--console-url", url, "--otlp-url", otlp)
    assert found == (0, ["send", "target", "metric", "exemplar", "trace", "logs", "back", "metrics"], [])


def test_a_receiver_that_asks_for_a_token_is_named(examine, console, answering):
    """401 is told as what it is, not as an outage."""
    url, _ = console
    assert examine("--console", "--console-url", url, "--otlp-url", answering(401)).findings == ["otlp-unauthorised"]


def test_a_clock_that_is_wrong_is_named(answering):
    """A backend whose clock is minutes away is told by how much."""
    backend = Backend("Prometheus", answering(200, Date=formatdate(time.time() - 600, usegmt=True)))
    assert backend.json("/") == {}
    found = skew(backend)
    assert found is not None
    assert found.name == "clock-skew"
    assert re.search(r"-60[0-9] s", found.cause)


def test_words_are_for_people(console, capfd):
    """Without --json each hop is a line, without colours where there is no terminal."""
    url, otlp = console
    assert main(["--console-url", url, "--otlp-url", otlp]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0].startswith("  ✓ send")
    assert lines[-1] == "all links hold"
    assert not any("\x1b" in line for line in lines)


def test_wrong_usage_is_code_2(capfd):
    """--stack and --console exclude each other, and the message says so."""
    with pytest.raises(SystemExit) as ended:
        main(["--stack", "--console"])
    assert ended.value.code == 2
    assert "not allowed with" in capfd.readouterr().err
