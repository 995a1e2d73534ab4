"""The stack's backends as processes of one parent, on free ports of the loopback interface."""

from __future__ import annotations

import os
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from shop.child import Child, stop_all
from shop.ports import LOOPBACK, free_ports

from stack import binary

ROOT = Path(__file__).parent.parent
START_SECONDS = 90.0
STOP_SECONDS = 20.0
"""Loki and Tempo write their heads to disk when they are told to stop."""
TEMPO_END_SECONDS = 2.0
"""At the end, when nothing needs to be kept: Tempo waits for ever if it was asked anything in the last 30 s."""

PORTS = (
    *("prometheus", "loki", "loki_grpc", "tempo", "tempo_grpc", "tempo_otlp"),
    *("otlp_http", "otlp_grpc", "health", "metrics"),  # the Collector's
    *("console", "console_http", "console_grpc"),
)
TRACES_TO_CONSOLE = Path(__file__).with_name("traces-to-console.yaml")
BESIDE_TEMPO = "yaml:service::pipelines::traces::exporters: [otlp_grpc/tempo, otlp_http/console]"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to start, and where.

    Attributes:
        directory: Holds the data, the logs and what is generated of the configuration.
        configuration: The folder with `collector/ prometheus/ loki/ tempo/`.
        overlays: More configuration for the Collector, files or `yaml:key::key: value`, the later over the earlier.
        environment: Added to the environment of every backend.
    """

    directory: Path
    configuration: Path = ROOT
    overlays: Sequence[Path | str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


class Backends:
    """Collector, Prometheus, Loki, console and, if `TEMPO_BINARY` names one, Tempo: `with Backends(plan) as backends`.

    The console has the read API of Tempo. It gets all traces too, and is what answers where there is no Tempo.

    Attributes:
        otlp_url: Where services send to.
        skipped: What is not there, and why.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.children: dict[str, Child] = {}
        self.skipped: dict[str, str] = {}
        self.ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))

    def url(self, name: str) -> str:
        """Return the base URL of `prometheus`, `loki`, `tempo`, `console`, or the Collector's `health` or `metrics`."""
        return f"http://{LOOPBACK}:{self.ports[name]}"

    @property
    def otlp_url(self) -> str:
        """Where services send OTLP over HTTP to: the Collector."""
        return self.url("otlp_http")

    @property
    def traces_url(self) -> str:
        """Who answers Tempo's read API: Tempo, or the console in its stead."""
        return self.url("console" if "tempo" in self.skipped else "tempo")

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def start(self, *names: str) -> None:
        """Start some, or all, at once and return when each is ready.

        Raises:
            MissingBinaryError: One is not built.
            ChildFailedError: One ended or did not become ready; its log is shown.
        """
        children = [self._prometheus(), self._loki(), self._console()]
        try:
            children.append(self._tempo())
        except binary.MissingBinaryError as error:
            self.skipped["tempo"] = str(error)
        children.append(self._collector())
        self.children = {child.name: child for child in children}
        self.start_again(*(names or self.children))

    def stop(self) -> None:
        """End all for good; safe to call twice."""
        if "tempo" in self.children:
            stop_all([self.children["tempo"]], TEMPO_END_SECONDS)
        self.halt(*self.children)

    def halt(self, *names: str) -> None:
        """End some backends as an operator would, with SIGTERM."""
        stop_all([self.children[name] for name in names], STOP_SECONDS)

    def start_again(self, *names: str) -> None:
        """Start backends that do not run, on the same ports and data, and wait until each is ready."""
        for name in names:
            self.children[name].start()
        for name in names:
            self.children[name].wait_ready(START_SECONDS)

    def scrape(self, services: Mapping[str, str]) -> None:
        """Have Prometheus scrape the pages of services, given as name and address; it looks for changes by itself."""
        targets = [f'- {{targets: ["{address}"], labels: {{service: {name}}}}}' for name, address in services.items()]
        self._write("prometheus/targets/services.yaml", "\n".join(targets or ["[]"]))

    def _prometheus(self) -> Child:
        home = self.plan.directory / "prometheus"
        shutil.copytree(self.plan.configuration / "prometheus", home, dirs_exist_ok=True)
        places = {"prometheus": "prometheus", "collector": "metrics", "loki": "loki"}
        if os.environ.get("TEMPO_BINARY"):
            places["tempo"] = "tempo"
        lines = [
            f'- {{targets: ["{LOOPBACK}:{self.ports[port]}"], labels: {{component: {name}}}}}'
            for name, port in places.items()
        ]
        self._write("prometheus/targets/infrastructure.yaml", "\n".join(lines))
        self.scrape({})
        return self._child(
            "prometheus",
            [
                *(f"--config.file={home}/prometheus.yml", f"--storage.tsdb.path={home}/data"),
                *PROMETHEUS_FLAGS,
                f"--web.listen-address={LOOPBACK}:{self.ports['prometheus']}",
            ],
            f"{self.url('prometheus')}/-/ready",
        )

    def _loki(self) -> Child:
        return self._child(
            "loki",
            [f"-config.file={self.plan.configuration}/loki/loki.yaml", "-config.expand-env=true"],
            f"{self.url('loki')}/ready",
            LOKI_ADDRESS=LOOPBACK,
            LOKI_PORT=str(self.ports["loki"]),
            LOKI_GRPC_PORT=str(self.ports["loki_grpc"]),
            LOKI_DIRECTORY=str(self.plan.directory / "loki"),
        )

    def _tempo(self) -> Child:
        return self._child(
            "tempo",
            [f"-config.file={self.plan.configuration}/tempo/tempo.yaml", "-config.expand-env=true"],
            f"{self.url('tempo')}/ready",
            TEMPO_ADDRESS=LOOPBACK,
            TEMPO_PORT=str(self.ports["tempo"]),
            TEMPO_GRPC_PORT=str(self.ports["tempo_grpc"]),
            TEMPO_OTLP_LISTEN=f"{LOOPBACK}:{self.ports['tempo_otlp']}",
            TEMPO_DIRECTORY=str(self.plan.directory / "tempo"),
            TEMPO_REMOTE_WRITE=f"{self.url('prometheus')}/api/v1/write",
        )

    def _collector(self) -> Child:
        files = [self.plan.configuration / "collector/collector.yaml", TRACES_TO_CONSOLE]
        files += [] if "tempo" in self.skipped else [BESIDE_TEMPO]
        return self._child(
            "otelcol",
            [f"--config={file}" for file in (*files, *self.plan.overlays)],
            self.url("health"),
            OTLP_HTTP_LISTEN=f"{LOOPBACK}:{self.ports['otlp_http']}",
            OTLP_GRPC_LISTEN=f"{LOOPBACK}:{self.ports['otlp_grpc']}",
            COLLECTOR_HEALTH_LISTEN=f"{LOOPBACK}:{self.ports['health']}",
            COLLECTOR_METRICS_HOST=LOOPBACK,
            COLLECTOR_METRICS_PORT=str(self.ports["metrics"]),
            COLLECTOR_QUEUE_DIRECTORY=str(self.plan.directory / "collector"),
            TEMPO_OTLP_ENDPOINT=f"{LOOPBACK}:{self.ports['tempo_otlp']}",
            LOKI_OTLP_ENDPOINT=f"{self.url('loki')}/otlp",
            PROMETHEUS_OTLP_ENDPOINT=f"{self.url('prometheus')}/api/v1/otlp",
            CONSOLE_OTLP_ENDPOINT=self.url("console_http"),
        )

    def _console(self) -> Child:
        options = {
            "--port": self.ports["console"],
            "--otlp-http-port": self.ports["console_http"],
            "--otlp-grpc-port": self.ports["console_grpc"],
            "--data": self.plan.directory / "console",
        }
        arguments = [str(part) for option in options.items() for part in option]
        command = [sys.executable, "-m", "clew_console", *arguments]
        return self._process("console", command, f"{self.url('console')}/healthz")

    def _child(self, name: str, arguments: list[str], ready_url: str, **environment: str) -> Child:
        return self._process(name, [str(binary.find(name)), *arguments], ready_url, **environment)

    def _process(self, name: str, command: list[str], ready_url: str, **environment: str) -> Child:
        log_path = self.plan.directory / "logs" / f"{name}.log"
        whole = {**os.environ, **environment, **self.plan.environment}
        return Child(name, command, whole, log_path, lambda _child: _answers(ready_url))

    def _write(self, name: str, text: str) -> None:
        path = self.plan.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n", encoding="utf-8")


PROMETHEUS_FLAGS = (
    "--web.enable-otlp-receiver",
    "--web.enable-remote-write-receiver",  # for the generator of Tempo
    "--enable-feature=exemplar-storage",
    "--web.enable-lifecycle",
)
"""What compose.yaml gives Prometheus too: these cannot be set in its file."""


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=3) as answer:  # noqa: S310 - http on loopback
            return answer.status == 200
    except (OSError, urllib.error.URLError):
        return False
