"""Have each backend judge its own configuration: a wrong key or value is named with its file."""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stack import binary


@dataclass(frozen=True, slots=True)
class Check:
    """A configuration and the command that judges it.

    Attributes:
        title: The file, or files, that are judged.
        program: Who judges.
        arguments: Of its command line.
    """

    title: str
    program: str
    arguments: tuple[str, ...]


def checks(root: Path) -> Iterator[Check]:
    """List the checks of all configurations below a folder."""
    for file in sorted((root / "collector").glob("*.yaml")):
        files = [file.with_name(name) for name in _command(file) or [file.name]]
        title = " + ".join(one.relative_to(root).as_posix() for one in files)
        yield Check(title, "otelcol", ("validate", *(f"--config={one}" for one in files)))
    prometheus = root / "prometheus" / "prometheus.yml"
    yield Check(
        "prometheus/prometheus.yml and its rules", "promtool", ("check", "config", "--lint-fatal", str(prometheus))
    )
    loki = ("-verify-config", "-config.expand-env=true", f"-config.file={root}/loki/loki.yaml")
    yield Check("loki/loki.yaml", "loki", loki)
    tempo = ("-config.verify", "-config.expand-env=true", f"-config.file={root}/tempo/tempo.yaml")
    yield Check("tempo/tempo.yaml", "tempo", tempo)


def _command(overlay: Path) -> list[str]:
    """Return the files of the command that an overlay tells in its head, none for what is no overlay."""
    found = re.search(r"^# +otelcol-contrib (--config .*)$", overlay.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1].removeprefix("--config ").split(" --config ") if found else []


def judge(check: Check) -> str:
    """Return what is wrong with a configuration, nothing if it is right.

    Raises:
        MissingBinaryError: Who should judge is not here.
    """
    # Some make the directories that the configuration names, even when they only look at it.
    with tempfile.TemporaryDirectory(prefix="clew-validate-") as directory:
        places = {f"{name}_DIRECTORY": directory for name in ("LOKI", "TEMPO", "COLLECTOR_QUEUE")}
        command = [str(binary.find(check.program)), *check.arguments]
        done = subprocess.run(
            command, cwd=directory, env={**os.environ, **places}, capture_output=True, text=True, check=False
        )
    return "" if done.returncode == 0 else f"{done.stdout}{done.stderr}".strip()
