"""The whole shop as processes of one parent: console, broker, services, load."""

from __future__ import annotations

import json
import os
import re
import secrets
import sys
import sysconfig
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Self

from shop.child import Child, stop_all
from shop.ports import LOOPBACK, accepts, free_ports, require_free

START_TIMEOUT_SECONDS = 120.0
"""Three seconds are usual; on a machine with ten times its work to do, a minute was not enough."""
SERVICES_STOP_SECONDS = 5.0
INFRASTRUCTURE_STOP_SECONDS = 3.0
"""After the services, so that what they flush last still arrives. Both together stay below 10 s."""

VERSION = version("clew-demo")
"""`service.version` of all services but the canaries."""
CHOSEN_BY_GATEWAY = ("orders", "inventory")
"""Services whose replicas the gateway calls, so that it can choose their version."""

OWNERS = ("gateway", "orders", "inventory", "payments", "notifications")
"""Services that have a database."""

_CONSOLE_READY = re.compile(r"console ready ui=(\S+) otlp=(\S+)")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to start, and where.

    Attributes:
        directory: Holds databases, broker store, console data and `logs/`.
        gateway_port: 0 picks a free one; likewise the console's ports.
        run: Name of the run the console keeps it as; "" keeps it without a name.
        broker_url: Of a broker that runs; "" starts NATS.
        database_urls: Of each service by its name; one that is left out has a SQLite file.
        console: Whether to start the console and send it all signals.
        load_rate: Orders and look-ups a second; 0 starts no load generator.
        replicas: Processes of inventory and of payments each.
        canaries: Version of one more replica, `inventory-canary`, by service; the gateway gives it no call until its
            weights are changed at its admin door. Of orders and inventory.
        environment: Added to the environment of every service.
        admin_token: What opens the admin door of every process; "" leaves them without one, unless there are canaries.
        service_environment: Added to that of one service by its name, or of one replica: `payments-2`.
    """

    directory: Path
    run: str = ""
    gateway_port: int = 0
    broker_url: str = ""
    database_urls: Mapping[str, str] = field(default_factory=dict)
    console: bool = True
    console_port: int = 0
    otlp_http_port: int = 0
    otlp_grpc_port: int = 0
    load_rate: float = 0.0
    replicas: int = 1
    canaries: Mapping[str, str] = field(default_factory=dict)
    admin_token: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    service_environment: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Replica:
    """A process that serves gRPC; a canary has the version that `canaries` gives its service."""

    name: str
    port: int
    canaries: Mapping[str, str]

    @property
    def service(self) -> str:
        return self.name.partition("-")[0]

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def is_canary(self) -> bool:
        return self.name.endswith("-canary")

    @property
    def version(self) -> str:
        return self.canaries[self.service] if self.is_canary else VERSION

    @property
    def resource(self) -> str:
        return f"service.version={self.version},deployment.role={'canary' if self.is_canary else 'stable'}"


class Shop:
    """A running shop: `with Shop(Plan(directory)) as shop: ... shop.gateway_url`.

    Raises (on start):
        ValueError: the plan has a canary of a service whose version the gateway cannot choose.
        PortBusyError: a port of the plan is taken.
        ChildFailedError: a process ended or did not become ready; all others are stopped by then.
    """

    def __init__(self, plan: Plan, progress: Callable[[str], None] = lambda _line: None) -> None:
        self.plan = plan
        self.children: list[Child] = []
        self.console_url = ""
        self.otlp_url = ""
        self.broker_url = ""
        self.gateway_url = ""
        self.doors: dict[str, str] = {}
        """URL of the admin door of each process by its name, if the plan opens them."""
        self.admin_token = plan.admin_token or (secrets.token_urlsafe(24) if plan.canaries else "")
        """What opens them; one of its own if the plan has canaries and no token."""
        self._progress = progress
        self._cancelled: Callable[[], bool] = lambda: False

    @property
    def databases(self) -> dict[str, Path]:
        """The SQLite file of each service, by its name, unless the plan gives it another database."""
        return {name: self.plan.directory / "databases" / f"{name}.db" for name in OWNERS}

    @property
    def database_urls(self) -> dict[str, str]:
        """The database of each service as SQLAlchemy writes it, by its name."""
        files = {name: f"sqlite+aiosqlite:///{path}" for name, path in self.databases.items()}
        return {**files, **self.plan.database_urls}

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def start(self, cancelled: Callable[[], bool] = lambda: False) -> None:
        """Start everything in order of need and return when the gateway is ready.

        Raises:
            InterruptedError: `cancelled` said so; what was started still runs, call stop().
        """
        self._cancelled = cancelled
        self._require_ports()
        (self.plan.directory / "databases").mkdir(parents=True, exist_ok=True)
        if self.plan.console:
            self._start_console()
        self._start_broker()
        self._start_services()
        if self.plan.load_rate > 0:
            self._start(self._load(self.plan.load_rate))
        self._progress("all ready")

    def stop(self) -> None:
        """End everything, within 8 s and leaving nothing behind; safe to call twice."""
        infrastructure = [child for child in self.children if child.name in ("console", "nats")]
        stop_all([child for child in self.children if child not in infrastructure], SERVICES_STOP_SECONDS)
        stop_all(infrastructure, INFRASTRUCTURE_STOP_SECONDS)

    def check(self) -> None:
        """Raise ChildFailedError if any process has ended."""
        for child in self.children:
            child.check()

    def child(self, name: str) -> Child:
        """Return the process of that name; replicas are `inventory-1`, `inventory-2`."""
        return next(child for child in self.children if child.name == name)

    def replicas(self, service: str) -> list[Child]:
        """Return all processes of a service, one or more."""
        return [child for child in self.children if child.name.partition("-")[0] == service]

    def launch(self, child: Child) -> None:
        """Start a process, or start it again after it ended, and wait until it is ready."""
        child.start()
        child.wait_ready(START_TIMEOUT_SECONDS, self._watch)

    @contextmanager
    def load(self, rate: float) -> Iterator[None]:
        """Send customers, so many a second, as long as the body runs."""
        child = self._start(self._load(rate))
        try:
            yield
        finally:
            stop_all([child], SERVICES_STOP_SECONDS)
            self.children.remove(child)

    def _load(self, rate: float) -> Child:
        return self._service("load", {"LOAD_RATE": f"{rate:g}", "GATEWAY_URL": self.gateway_url}, _always)

    def _watch(self) -> None:
        if self._cancelled():
            raise InterruptedError("stopped while starting")
        self.check()

    def _require_ports(self) -> None:
        if wrong := self.plan.canaries.keys() - CHOSEN_BY_GATEWAY:
            raise ValueError(f"no canary of {', '.join(sorted(wrong))}: the gateway chooses among {CHOSEN_BY_GATEWAY}")
        require_free(self.plan.gateway_port, "GATEWAY_PORT", "the gateway")
        if self.plan.console:
            require_free(self.plan.console_port, "CLEW_CONSOLE_PORT", "the console")
            require_free(self.plan.otlp_http_port, "CLEW_CONSOLE_OTLP_HTTP_PORT", "OTLP over HTTP")
            require_free(self.plan.otlp_grpc_port, "CLEW_CONSOLE_OTLP_GRPC_PORT", "OTLP over gRPC")

    def _start_console(self) -> None:
        plan = self.plan
        # Chosen here and not by the console, so that it is found again where it was after a restart.
        free = free_ports(3)
        options = {
            "--host": LOOPBACK,
            "--port": plan.console_port or free[0],
            "--otlp-http-port": plan.otlp_http_port or free[1],
            "--otlp-grpc-port": plan.otlp_grpc_port or free[2],
            "--data": plan.directory / "console",
            **({"--run": plan.run} if plan.run else {}),
        }
        arguments = [str(part) for option in options.items() for part in option]
        command = [sys.executable, "-m", "clew_console", *arguments]
        console = self._start(self._child("console", command, {}, _console_is_ready))
        found = _CONSOLE_READY.search(console.log_text())
        assert found is not None, "the console is ready because it said so"  # noqa: S101
        self.console_url, self.otlp_url = found.groups()

    def _start_broker(self) -> None:
        if self.plan.broker_url:
            self.broker_url = self.plan.broker_url
            return
        directory = self.plan.directory / "nats"
        directory.mkdir(parents=True, exist_ok=True)
        port = free_ports(1)[0]
        program = str(Path(sysconfig.get_path("scripts")) / "nats-server")
        command = [program, "--addr", LOOPBACK, "--port", str(port), "--jetstream", "--store_dir", str(directory)]
        self.broker_url = f"nats://{LOOPBACK}:{port}"
        self._start(self._child("nats", command, {}, lambda _child: accepts(port)))

    def _start_services(self) -> None:
        """Start all at once, since each waits for what it needs; then wait for each."""
        replicas = self._replicas()
        services = [self._grpc_service(each) for each in replicas]
        services += [self._service("notifications", {}, _says_ready), self._gateway(replicas)]
        self._progress(f"starting {', '.join(child.name for child in services)}")
        self.children += services
        for child in services:
            child.start()
        for child in services:
            child.wait_ready(START_TIMEOUT_SECONDS, self._watch)

    def _replicas(self) -> list[_Replica]:
        """Choose name, port and version of every process that serves gRPC."""
        names = ["orders"]
        for name in ("inventory", "payments"):
            count = self.plan.replicas
            names += [name] if count == 1 else [f"{name}-{number}" for number in range(1, count + 1)]
        names += [f"{name}-canary" for name in self.plan.canaries]
        return [
            _Replica(name, port, self.plan.canaries) for name, port in zip(names, free_ports(len(names)), strict=True)
        ]

    def _grpc_service(self, replica: _Replica) -> Child:
        environment = {"GRPC_ADDRESS": replica.address, "OTEL_RESOURCE_ATTRIBUTES": replica.resource}
        return self._service(replica.name, environment, lambda _child: accepts(replica.port))

    def _gateway(self, replicas: Sequence[_Replica]) -> Child:
        port = self.plan.gateway_port or free_ports(1)[0]
        self.gateway_url = f"http://{LOOPBACK}:{port}"
        addresses = {name: [each.address for each in replicas if each.service == name] for name in CHOSEN_BY_GATEWAY}
        environment = {
            "GATEWAY_PORT": str(port),
            **{f"{name.upper()}_ADDR": f"ipv4:{','.join(found)}" for name, found in addresses.items()},
            **(self._versions(replicas) if self.plan.canaries else {}),
        }
        return self._service("gateway", environment, lambda _child: _is_healthy(self.gateway_url))

    def _versions(self, replicas: Sequence[_Replica]) -> dict[str, str]:
        """Tell the gateway the version of each replica, and to give the canaries nothing."""
        listed = {
            name: ",".join(f"{each.address}@{each.version}" for each in replicas if each.service == name)
            for name in CHOSEN_BY_GATEWAY
        }
        splits = {name: f"{VERSION}:100,{canary}:0" for name, canary in self.plan.canaries.items()}
        return {"DISCOVERY_URL": f"static://{_pairs(listed)}", "TRAFFIC_SPLIT": _pairs(splits)}

    def _service(self, replica: str, environment: Mapping[str, str], is_ready: Callable[[Child], bool]) -> Child:
        name = replica.partition("-")[0]
        command = [sys.executable, "-m", f"shop.{name}"]
        own = {
            "BROKER_URL": self.broker_url,
            "OTEL_SERVICE_NAME": name,
            "OTEL_RESOURCE_ATTRIBUTES": f"service.version={VERSION},deployment.role=stable",
            "OTEL_METRIC_EXPORT_INTERVAL": "5000",
            **({"DATABASE_URL": self.database_urls[name]} if name in OWNERS else {}),
            **({"OTEL_EXPORTER_OTLP_ENDPOINT": self.otlp_url} if self.otlp_url else {"OTEL_SDK_DISABLED": "true"}),
            **environment,
            **self.plan.environment,
            **self.plan.service_environment.get(name, {}),
            **({} if replica == name else self.plan.service_environment.get(replica, {})),
            **self._door(replica),
        }
        return self._child(replica, command, own, is_ready)

    def _door(self, replica: str) -> dict[str, str]:
        """Return what opens the door of a process; what stands in the parent's environment is the parent's own."""
        if not self.admin_token:
            return {"ADMIN_PORT": "0"}
        port = free_ports(1)[0]
        self.doors[replica] = f"http://{LOOPBACK}:{port}"
        return {"ADMIN_PORT": str(port), "ADMIN_TOKEN": self.admin_token}

    def _child(
        self, name: str, command: list[str], environment: Mapping[str, str], is_ready: Callable[[Child], bool]
    ) -> Child:
        log_path = self.plan.directory / "logs" / f"{name}.log"
        return Child(name, command, {**os.environ, "PYTHONUNBUFFERED": "1", **environment}, log_path, is_ready)

    def _start(self, child: Child) -> Child:
        self.children.append(child)
        self._progress(f"starting {child.name}")
        self.launch(child)
        return child


def _pairs(values: Mapping[str, str]) -> str:
    return ";".join(f"{name}={value}" for name, value in values.items())


def _always(_child: Child) -> bool:
    return True


def _says_ready(child: Child) -> bool:
    return "service ready" in child.log_text()


def _console_is_ready(child: Child) -> bool:
    return _CONSOLE_READY.search(child.log_text()) is not None


def _is_healthy(gateway_url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{gateway_url}/health/ready", timeout=3) as answer:  # noqa: S310 - http on loopback
            return json.load(answer)["status"] == "ok"
    except (OSError, ValueError, urllib.error.URLError):
        return False
