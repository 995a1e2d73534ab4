"""Where and with which versions something was measured."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

_PACKAGES = (
    "fastapi",
    "uvicorn",
    "uvloop",
    "httptools",
    "opentelemetry-sdk",
    "opentelemetry-distro",
    "logfire",
    "ddtrace",
)


def machine() -> dict[str, str]:
    """Return processor, cores, system and Python."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "processor": names[0].partition(":")[2].strip() if names else platform.machine(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def facts() -> dict[str, str]:
    """Return the machine and the packages that are compared."""
    return machine() | {package: version(package) for package in _PACKAGES}
