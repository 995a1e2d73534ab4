"""The Resource's attributes."""

import os
import platform
import socket
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from instrumentation.resource import attributes, instance_id
from instrumentation.settings import Settings


def test_whole():
    """The resource names service, instance, process, runtime, host and the kit."""
    assert attributes(Settings.from_env({}, service_name="clew-demo")) == {
        "service.name": "clew-demo",
        "service.version": version("clew-demo"),
        "service.instance.id": instance_id(),
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "clew",
        "telemetry.sdk.version": version("clew"),
        "process.pid": os.getpid(),
        "process.runtime.name": "cpython",
        "process.runtime.version": platform.python_version(),
        "host.name": socket.gethostname(),
    }


def test_configured_attributes_win():
    """Attributes of the environment go before what was found; `service.name` yields to its own variable."""
    environ = {
        "OTEL_RESOURCE_ATTRIBUTES": "service.version=9,deployment.environment.name=a%20b,host.name=h,service.name=no",
        "OTEL_SERVICE_NAME": "orders",
    }
    found = attributes(Settings.from_env(environ))
    assert found["service.version"] == "9"
    assert found["deployment.environment.name"] == "a b"
    assert found["host.name"] == "h"
    assert found["service.name"] == "orders"


def test_name_from_attributes():
    """Without its own variable `service.name` comes from the resource attributes."""
    assert attributes(Settings.from_env({"OTEL_RESOURCE_ATTRIBUTES": "service.name=a"}))["service.name"] == "a"


def test_unknown_service():
    """Without a name the service is unknown, and named after its program."""
    found = attributes(Settings())
    assert found["service.name"] == f"unknown_service:{Path(sys.executable).name}"
    assert "service.version" not in found


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_instance_of_a_fork():
    """The instance id stays the same within a process and differs in its fork."""
    mine = instance_id()
    assert instance_id() == mine
    pid = os.fork()
    if pid == 0:
        os._exit(0 if instance_id() != mine and attributes(Settings())["process.pid"] == os.getpid() else 1)
    assert os.waitpid(pid, 0)[1] == 0
