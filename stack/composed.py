"""A compose file, brought up as it is under a project name and on ports of its own, so that it disturbs no other."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from shop.ports import LOOPBACK, free_ports

ROOT = Path(__file__).parent.parent
UP_SECONDS = 180
OWN_IMAGE = "clew-shop"
NOT_NEEDED = {"grafana", "tempo"}
"""Services whose image may be missing: nothing goes through Grafana, and without Tempo no trace is read."""

PORTS = (
    *("GATEWAY_PORT", "GRAFANA_PORT", "PROMETHEUS_PORT", "LOKI_PORT", "TEMPO_PORT", "CLEW_CONSOLE_PORT"),
    *("OTLP_GRPC_PORT", "OTLP_HTTP_PORT", "COLLECTOR_HEALTH_PORT"),
)


class ComposeFailedError(Exception):
    """Docker is not there, an image is not to be had, or a command failed; the message says which."""


@dataclass(slots=True)
class Composed:
    """A compose file's services: `with Composed("compose.yaml") as composed`. Its volumes are removed afterwards.

    Attributes:
        file: Name of the compose file.
        environment: Variables of the file, over those that the tests need to be exact.
        skipped: Services that were not started, and why.
    """

    file: str
    environment: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ports = {name: str(port) for name, port in zip(PORTS, free_ports(len(PORTS)), strict=True)}
        # None is declined who is not meant to be, stock changes by orders alone, and few customers come by themselves.
        exact = {"DECLINE_SHARE": "0", "RESTOCK_SECONDS": "0", "LOAD_RATE": "1"}
        self.environment = {**ports, **exact, **self.environment}

    def url(self, port: str) -> str:
        """Return the URL of what is published by a variable, say `GATEWAY_PORT`."""
        return f"http://{LOOPBACK}:{self.environment[port]}"

    def __enter__(self) -> Self:
        self.skipped = self.missing()
        needed = {name: reason for name, reason in self.skipped.items() if name not in NOT_NEEDED}
        if needed:
            raise ComposeFailedError("; ".join(f"{name}: {reason}" for name, reason in needed.items()))
        try:
            self.up()
        except BaseException:
            self.down("--volumes")
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        self.down("--volumes")

    def missing(self) -> dict[str, str]:
        """Return the services whose image is neither here nor to be pulled; the shop's own is built if it is not here.

        Raises:
            ComposeFailedError: There is no Docker with compose, or the image cannot be built.
        """
        if not shutil.which("docker") or self._docker("compose", "version", check=False).returncode:
            raise ComposeFailedError("`docker compose` is not installed")
        if (asked := self._docker("info", check=False)).returncode:
            raise ComposeFailedError(f"no Docker daemon answers: {asked.stderr.strip()}")
        missing = {}
        for name, service in self.configuration()["services"].items():
            if (
                service["image"] == OWN_IMAGE
                or not self._docker("image", "inspect", service["image"], check=False).returncode
            ):
                continue
            if self._docker("pull", "--quiet", service["image"], check=False).returncode:
                missing[name] = f"{service['image']} is not here and cannot be pulled"
        return missing

    def configuration(self) -> dict[str, Any]:
        """Return the file as compose understands it."""
        return json.loads(self.compose("config", "--format", "json"))

    def up(self) -> None:
        """Start what is not running and wait until all is healthy."""
        # By name: a service that is scaled to 0 would be pulled all the same.
        services = [name for name in self.configuration()["services"] if name not in self.skipped]
        try:
            self.compose("up", "--detach", "--wait", f"--wait-timeout={UP_SECONDS}", *services)
        except ComposeFailedError as error:
            raise ComposeFailedError(f"{error}\n{self.compose('logs', '--tail=10')}") from error

    def down(self, *options: str) -> None:
        """Stop and remove the containers; with `--volumes` what they stored too."""
        self.compose("down", "--timeout=20", *options)

    def containers(self) -> list[dict[str, Any]]:
        """Return what Docker knows of each container, also of those that have ended."""
        ids = self.compose("ps", "--all", "--quiet").split()
        return json.loads(self._docker("inspect", *ids).stdout)

    def compose(self, *arguments: str) -> str:
        """Run a command of compose and return what it printed."""
        project = ("--project-name", f"clew-test-{self.environment['GATEWAY_PORT']}")
        return self._docker("compose", *project, "--file", str(ROOT / self.file), *arguments).stdout

    def _docker(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = ["docker", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **self.environment}, capture_output=True, text=True, check=False
        )
        if check and done.returncode:
            raise ComposeFailedError(f"{' '.join(command)}:\n{done.stderr[-3000:]}")
        return done


def service_of(container: dict[str, Any]) -> str:
    """Return the service that a container is of."""
    return container["Config"]["Labels"]["com.docker.compose.service"]
