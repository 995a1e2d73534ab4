import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from shop.ports import LOOPBACK, free_ports

PORT_VARIABLES = ("GATEWAY_PORT", "CLEW_CONSOLE_PORT", "CLEW_CONSOLE_OTLP_HTTP_PORT", "CLEW_CONSOLE_OTLP_GRPC_PORT")
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start the demo in a directory of its own; environment variables by keyword."""
    started: list[subprocess.Popen[str]] = []

    def run(**environment: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "shop.demo", "--data", str(tmp_path / "data")]
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True, process_group=0
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def ports() -> dict[str, str]:
    return dict(zip(PORT_VARIABLES, map(str, free_ports(len(PORT_VARIABLES))), strict=True))


def read_until(process: subprocess.Popen[str], text: str) -> str:
    seen = ""
    for line in process.stdout:
        seen += line
        if text in line:
            return seen
    raise AssertionError(f"the demo ended before it said {text!r}:\n{seen}")


def wait_gone(processes: list[psutil.Process], timeout: float) -> list[psutil.Process]:
    return psutil.wait_procs(processes, timeout)[1]


@pytest.mark.slow
def test_ctrl_c_ends_everything(start: Start):
    """The demo comes up with console and load, says where they are, and Ctrl-C leaves no process and no port."""
    taken = ports()
    demo = start(**taken)
    said = read_until(demo, "Ctrl-C ends everything")
    assert f":{taken['CLEW_CONSOLE_PORT']}" in said
    assert f":{taken['GATEWAY_PORT']}/products" in said
    children = psutil.Process(demo.pid).children(recursive=True)
    assert len(children) == 10  # console, nats, orders, 2 inventory, 2 payments, notifications, gateway, load
    demo.send_signal(signal.SIGINT)
    before = time.monotonic()
    assert demo.wait(10) == 0
    assert time.monotonic() - before < 10
    assert wait_gone(children, 0.5) == []
    for port in taken.values():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((LOOPBACK, int(port)))


def child_running(demo: subprocess.Popen[str], module: str) -> psutil.Process:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for child in psutil.Process(demo.pid).children(recursive=True):
            with suppress(psutil.Error):
                command = child.cmdline()  # empty while the process is between fork and exec
                if module in command and not any("leash.py" in part for part in command):
                    return child
        time.sleep(0.02)
    raise AssertionError(f"no child runs {module}")


@pytest.mark.slow
def test_crash_of_one_is_told_and_ends_the_rest(start: Start):
    """When one process dies the demo names it, shows the end of its log, stops the others and fails."""
    demo = start(**ports())
    victim = child_running(demo, "shop.notifications")
    children = psutil.Process(demo.pid).children(recursive=True)
    victim.kill()
    said = demo.stdout.read()
    assert "error: notifications ended with signal SIGKILL" in said
    assert "notifications.log" in said
    assert demo.wait(10) == 1
    assert wait_gone(children, 0.5) == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends the children of a parent that was killed")
def test_kill_9_leaves_nothing(start: Start):
    """A parent that is killed takes all its children with it."""
    demo = start(**ports())
    child_running(demo, "shop.gateway")
    children = psutil.Process(demo.pid).children(recursive=True)
    demo.kill()
    assert wait_gone(children, 5) == []


@pytest.mark.parametrize("variable", PORT_VARIABLES)
def test_busy_port_is_named_with_its_variable(start: Start, variable: str):
    """A taken port is refused before anything starts, by its number and the variable that moves it."""
    taken = ports()
    with socket.socket() as holder:
        holder.bind((LOOPBACK, int(taken[variable])))
        holder.listen()
        demo = start(**taken)
        said = demo.stdout.read()
        assert demo.wait(10) == 1
    assert f"port {taken[variable]} " in said
    assert f"set {variable}" in said
    assert "starting" not in said


def test_port_that_is_no_number_is_told(start: Start):
    """A wrong variable is named, with its value."""
    demo = start(GATEWAY_PORT="eight")
    assert "GATEWAY_PORT='eight': not a number" in demo.stdout.read()
    assert demo.wait(10) == 1
