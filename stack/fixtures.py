"""Pytest fixtures: the stack's backends, running natively, and the shop on them.

They start when a test first asks for them, once a session. `--backends stack` lets the stories run on them too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shop.runner import Shop

    from stack.composed import Composed
    from stack.native import Backends
    from stack.postgres import Postgres
    from stack.reader import Reader

LOAD_RATE = 5.0
CANARY = "99.0.0"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--backends`, `--broker` and `--database`."""
    parser.addoption(
        "--backends",
        choices=("console", "stack", "compose"),
        default="console",
        help="what the stories are read back from",
    )
    parser.addoption(
        "--broker", choices=("nats", "kafka", "rabbitmq"), default="nats", help="what carries the shop's messages"
    )
    parser.addoption(
        "--database", choices=("sqlite", "postgresql"), default="sqlite", help="what the shop's services store in"
    )


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests whose mark `-m` does not ask for: they need backends, Docker, an API server, or much time.

    Those that share the stack are kept on one worker.
    """
    for item in items:
        if "stack" in getattr(item, "fixturenames", ()) and not any(item.iter_markers("xdist_group")):
            item.add_marker(pytest.mark.xdist_group("stack"))
    needing = ("stack", "compose", "kubernetes", "scenarios")
    not_asked_for = [name for name in needing if name not in str(config.getoption("markexpr"))]
    left_out = [item for item in items if any(map(item.get_closest_marker, not_asked_for))]
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what was missing from a worker of xdist to the process that says so."""
    handed_over: dict[str, Any] = getattr(session.config, "workeroutput", {})
    handed_over["backends"] = dict(_skipped)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what a worker of xdist was missing."""
    _skipped.update(getattr(node, "workeroutput", {}).get("backends", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which backends were missing, and why."""
    for name, reason in _skipped.items():
        terminalreporter.write_line(f"not run: {name}: {reason}")


_skipped: dict[str, str] = {}


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backends]:
    """Collector, Prometheus, Loki, console and, with `TEMPO_BINARY`, Tempo."""
    from stack.native import Backends, Plan  # noqa: PLC0415 the shop is not installed wherever pytest runs

    with Backends(Plan(tmp_path_factory.mktemp("stack"))) as backends:
        _skipped.update(backends.skipped)
        yield backends


@pytest.fixture(scope="session")
def stack_reader(stack: Backends) -> Iterator[Reader]:
    """Reads Loki, Prometheus, and Tempo or the console in its stead."""
    from stack.reader import Reader  # noqa: PLC0415 as above

    reader = Reader(stack.traces_url, stack.url("loki"), stack.url("prometheus"))
    yield reader
    reader.close()


@pytest.fixture(scope="session")
def stack_databases() -> Iterator[Postgres | None]:
    """PostgreSQL, where it is or can be installed; else none, and the shop has SQLite files."""
    from stack.binary import MissingBinaryError  # noqa: PLC0415 as above
    from stack.postgres import Postgres  # noqa: PLC0415

    try:
        server = Postgres()
    except MissingBinaryError as error:
        _skipped["postgresql"] = f"{error}. The shop's databases are SQLite files"
        yield None
        return
    with server:
        yield server


@pytest.fixture(scope="session")
def stack_shop(
    stack: Backends, stack_databases: Postgres | None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    """The shop, which sends to the stack; it has no load yet, and only customers named `declined...` are declined.

    One replica of inventory is a canary, of version CANARY; it gets no calls yet.
    """
    from shop.ports import LOOPBACK, free_ports  # noqa: PLC0415 as above
    from shop.runner import OWNERS, Plan, Shop  # noqa: PLC0415

    pages = dict(zip(("orders", "notifications"), free_ports(2), strict=True))
    environment: dict[str, dict[str, str]] = {service: {} for service in OWNERS}
    environment["payments"]["DECLINE_SHARE"] = "0"
    environment["inventory"]["STOCK_PIECES"] = "1000000"
    for name, port in pages.items():
        environment[name] |= _page(port)
    sending = {
        "OTEL_SDK_DISABLED": "false",
        "OTEL_EXPORTER_OTLP_ENDPOINT": stack.otlp_url,
        "OTEL_METRIC_EXPORT_INTERVAL": "2000",
    }
    plan = Plan(
        tmp_path_factory.mktemp("stack-shop"),
        console=False,
        replicas=2,
        canaries={"inventory": CANARY},
        database_urls={service: stack_databases.url(service) for service in OWNERS} if stack_databases else {},
        environment=sending,
        service_environment=environment,
    )
    with Shop(plan) as shop:
        stack.scrape(
            {
                "gateway": shop.gateway_url.removeprefix("http://"),
                **{name: f"{LOOPBACK}:{port}" for name, port in pages.items()},
            }
        )
        yield shop


@pytest.fixture(scope="session")
def stack_load(stack_shop: Shop) -> Iterator[Shop]:
    """The shop on the stack, with customers that come and go until the session ends."""
    with stack_shop.load(LOAD_RATE):
        yield stack_shop


@pytest.fixture(scope="session")
def composed() -> Iterator[Composed]:
    """compose.yaml, brought up with few customers of its own, and removed with its data when the session ends."""
    yield from _composed("compose.yaml")


@pytest.fixture(scope="session")
def composed_light() -> Iterator[Composed]:
    """compose.light.yaml, likewise."""
    yield from _composed("compose.light.yaml")


def _composed(file: str) -> Iterator[Composed]:
    from stack.composed import Composed, ComposeFailedError  # noqa: PLC0415 as above

    composed = Composed(file)
    try:
        composed.missing()
    except ComposeFailedError as error:
        _skipped[file] = str(error)
        pytest.skip(f"{file}: {error}")
    with composed:
        _skipped.update(composed.skipped)
        yield composed


def _page(port: int) -> dict[str, str]:
    return {
        "OTEL_METRICS_EXPORTER": "otlp,prometheus",
        "OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1",
        "OTEL_EXPORTER_PROMETHEUS_PORT": str(port),
    }
