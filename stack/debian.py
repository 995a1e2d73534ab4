"""Programs of Debian's packages: found, or installed where that is possible."""

import os
import shutil
import subprocess
from collections.abc import Callable
from typing import TypeVar

from stack.binary import MissingBinaryError

INSTALL_SECONDS = 100.0

Found = TypeVar("Found")


def provided(package: str, find: Callable[[], Found | None]) -> Found:
    """Return what `find` finds, once root on Debian has installed the package if it finds nothing.

    Raises:
        MissingBinaryError: It is not there and cannot be had.
    """
    if not find() and os.getuid() == 0 and shutil.which("apt-get"):
        command = ["apt-get", "install", "-y", "-q", package]
        # By the second variable the package does not start a server of its own.
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        subprocess.run(command, env=environment, check=False, capture_output=True, timeout=INSTALL_SECONDS)
    if not (found := find()):
        raise MissingBinaryError(f"{package} is not installed, and only root on Debian can: apt-get install {package}")
    return found
