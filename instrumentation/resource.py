"""Say who emits: the attributes of the Resource that all signals carry.

Source: https://opentelemetry.io/docs/specs/semconv/resource/
"""

import os
import platform
import re
import socket
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from instrumentation import installed
from instrumentation.settings import Settings

_CGROUP = re.compile(r"[/:-]([0-9a-f]{64})(?:\.scope)?$", re.MULTILINE)
_MOUNT = re.compile(r"/(?:containers|overlay-containers|sandboxes)/([0-9a-f]{64})/")
_instance: dict[int, str] = {}


def attributes(settings: Settings, detected: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the Resource's attributes: what the process knows of itself, overlaid by what was configured.

    Args:
        settings: Configured attributes, which win.
        detected: What detectors have found, which goes before the kit's own guesses.

    Call again in a forked child: `service.instance.id` and `process.pid` are the process's own.
    """
    configured = settings.resource_attributes
    name = settings.service_name or configured.get("service.name") or f"unknown_service:{_process_name()}"
    found: dict[str, Any] = {
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
    container = container_id()
    if container:
        found["container.id"] = container
    return {**found, **(detected or {}), **configured, "service.name": name}


@cache
def container_id() -> str | None:
    """Return the id of the container that the process runs in, as the kernel tells it; None outside of one.

    Source: https://opentelemetry.io/docs/specs/semconv/resource/container/; cgroup v1 names it in /proc/self/cgroup, v2
    in the mounts of the container's own files.
    """
    for file, pattern in (("cgroup", _CGROUP), ("mountinfo", _MOUNT)):
        try:
            text = Path("/proc/self", file).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if found := pattern.search(text):
            return found.group(1)
    return None


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
    return installed.version(name)


def _process_name() -> str:
    return Path(sys.executable).name if sys.executable else "python"
