"""The console as a process: starts, says so, ends, survives."""

import os
import re
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest
from clew_console.options import parse_options


@pytest.fixture
def spawn():
    """Start a console process on free ports; return it with its two addresses."""
    running = []

    def start(data):
        ports = ["--port", "0", "--otlp-http-port", "0", "--otlp-grpc-port", "0"]
        command = [sys.executable, "-W", "error", "-m", "clew_console", *ports, "--data", str(data)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        running.append(process)
        return process, *_ready(process)

    yield start
    for process in running:
        process.kill()
        process.communicate(timeout=5)


def _ready(process) -> tuple[str, str]:
    seen = ""
    while line := process.stdout.readline():
        seen += line
        if match := re.fullmatch(r"console ready ui=(\S+) otlp=(\S+)\n", line):
            return match[1], match[2]
    raise AssertionError(f"never ready: {seen}")


def _send(make, otlp: str, name: str) -> str:
    span = make.span(name=name)
    headers = {"content-type": "application/x-protobuf"}
    assert httpx.post(f"{otlp}/v1/traces", content=make.traces(span).SerializeToString(), headers=headers).is_success
    return span.trace_id.hex()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_time_with_everything_written(spawn, make, tmp_path, number):
    """SIGTERM and SIGINT end the process with 0 within 2 s, what was just acknowledged is there afterwards."""
    process, _, otlp = spawn(tmp_path)
    trace_id = _send(make, otlp, "the last")
    asked = time.monotonic()
    process.send_signal(number)
    assert process.wait(5) == 0
    assert time.monotonic() - asked < 2
    assert process.stderr.read() == ""
    _, ui, _ = spawn(tmp_path)
    assert httpx.get(f"{ui}/api/traces/{trace_id}").status_code == 200


def test_data_survives_kill_9(spawn, make, tmp_path):
    """After kill -9 the next start serves what could be read before, and takes more."""
    process, ui, otlp = spawn(tmp_path)
    trace_id = _send(make, otlp, "survivor")
    deadline = time.monotonic() + 5
    while httpx.get(f"{ui}/api/traces/{trace_id}").status_code != 200:
        assert time.monotonic() < deadline
    process.kill()
    process.wait(5)
    _, ui, otlp = spawn(tmp_path)
    assert httpx.get(f"{ui}/api/traces/{trace_id}").status_code == 200
    _send(make, otlp, "and more")


@pytest.mark.parametrize(
    ("option", "variable"),
    [
        ("--port", "CLEW_CONSOLE_PORT"),
        ("--otlp-http-port", "CLEW_CONSOLE_OTLP_HTTP_PORT"),
        ("--otlp-grpc-port", "CLEW_CONSOLE_OTLP_GRPC_PORT"),
    ],
)
def test_a_busy_port_is_named_with_what_moves_it(tmp_path, option, variable):
    """A taken port ends the start with 1, its number, its option and its variable."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = str(taken.getsockname()[1])
        free = {f"CLEW_CONSOLE_{name}PORT": "0" for name in ("", "OTLP_HTTP_", "OTLP_GRPC_")}
        command = [sys.executable, "-m", "clew_console", option, number, "--data", str(tmp_path)]
        ended = subprocess.run(command, env=os.environ | free, capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 1
    assert (
        ended.stderr
        == f"clew console: port {number} on 127.0.0.1 is in use; choose another with {option} or {variable}\n"
    )


def test_options_win_over_the_environment():
    """An option beats its variable, a variable its default, and an empty variable counts as none."""
    environment = {"CLEW_CONSOLE_PORT": "1", "CLEW_CONSOLE_OTLP_HTTP_PORT": "2", "CLEW_CONSOLE_OTLP_GRPC_PORT": ""}
    found = parse_options(["--port", "9"], environment)
    assert (found.port, found.otlp_http_port, found.otlp_grpc_port) == (9, 2, 4317)


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [(["--port", "70000"], {}), (["--max-size", "5"], {}), ([], {"CLEW_CONSOLE_OTLP_HTTP_PORT": "http"})],
)
def test_a_wrong_value_ends_the_start(arguments, environment, capsys):
    """A value that cannot be is named with its option, from the command line and from the environment."""
    with pytest.raises(SystemExit) as ended:
        parse_options(arguments, environment)
    assert ended.value.code == 2
    assert "argument --" in capsys.readouterr().err
