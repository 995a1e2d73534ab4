"""Say who emits: the attributes of the Resource that all signals carry.

Source: https://opentelemetry.io/docs/specs/semconv/resource/
"""

import os
import platform
import socket
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from uuid import uuid4

from instrumentation.settings import Settings

_instance: dict[int, str] = {}


def attributes(settings: Settings) -> dict[str, str | int]:
    """Return the Resource's attributes: what the process knows of itself, overlaid by what was configured.

    Call again in a forked child: `service.instance.id` and `process.pid` are the process's own.
    """
    configured = settings.resource_attributes
    name = settings.service_name or configured.get("service.name") or f"unknown_service:{_process_name()}"
    found: dict[str, str | int] = {
        "service.instance.id": instance_id(),
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "clew",
        "telemetry.sdk.version": distribution_version("clew") or "unknown",
        "process.pid": os.getpid(),
        "process.runtime.name": sys.implementation.name,
        "process.runtime.version": platform.python_version(),
        "host.name": socket.gethostname(),
    }
    service_version = distribution_version(name)
    if service_version:
        found["service.version"] = service_version
    return {**found, **configured, "service.name": name}


def instance_id() -> str:
    """Return this process's random id: the same at each call, another one after a fork."""
    pid = os.getpid()
    if pid not in _instance:
        _instance.clear()
        _instance[pid] = str(uuid4())
    return _instance[pid]


@cache
def distribution_version(name: str) -> str | None:
    """Return the version of the installed distribution of that name, None if there is none."""
    try:
        return version(name)
    except (PackageNotFoundError, ValueError):
        return None


def _process_name() -> str:
    return Path(sys.executable).name if sys.executable else "python"
