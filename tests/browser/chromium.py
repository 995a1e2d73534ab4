"""Find a Chromium, or say how to get one."""

import os
import shutil
import subprocess
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
INSTALL = "apt-get update && apt-get install -y -o DPkg::Lock::Timeout=120 --no-install-recommends chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
]
"""Without these it looks for hosts of its maker at every start, which a closed network answers with many refusals."""


class NoChromiumError(Exception):
    """There is none; the message is the command that helps."""


def find_chromium():
    """Return the path of CLEW_CHROMIUM or of an installed browser; as root on Debian install one.

    Raises:
        NoChromiumError: there is none and it cannot be installed from here.
    """
    chosen = os.environ.get("CLEW_CHROMIUM")
    if chosen:
        return chosen
    found = _installed()
    if found is None and os.geteuid() == 0 and Path("/etc/debian_version").exists():
        subprocess.run(["sh", "-c", INSTALL], check=False, capture_output=True, timeout=300)
        found = _installed()
    if found is None:
        raise NoChromiumError(
            f"no Chromium found; run: sudo sh -c '{INSTALL}', or set CLEW_CHROMIUM to a browser's path"
        )
    return found


def _installed():
    return next(filter(None, map(shutil.which, NAMES)), None)
