"""`clew demo`: run the shop and the console until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from shop.child import ChildFailedError
from shop.ports import LOOPBACK, PortBusyError, require_free
from shop.reliability.admin import Admin, serve
from shop.reliability.environment import number
from shop.runner import Plan, Shop
from shop.scenarios.board import Scenarios
from shop.scenarios.cue import Cue, alerts_of
from shop.scenarios.stage import Stage
from shop.scenarios.table import SCENARIOS

_SERVICES = {
    "inventory": {"RESTOCK_SECONDS": "5", "STOCK_PIECES": "1000"},
    "payments": {"DECLINE_SHARE": "0.1"},
}
CANARY = "0.2.0"
"""Version of the canary of inventory, which gets no call until somebody says so."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo and return its exit code: 0 after Ctrl-C or SIGTERM, 1 when something failed."""
    parser = argparse.ArgumentParser(prog="clew demo", description="Run the shop and the console until Ctrl-C.")
    parser.add_argument("--data", type=Path, default=Path(".clew"), help="directory for data and logs (.clew)")
    parser.add_argument("--run", default="", metavar="NAME", help="name of this run in the console (demo and the time)")
    parser.add_argument("--scenario", choices=SCENARIOS, metavar="NAME", help="fault to have; see --list-scenarios")
    parser.add_argument("--after", type=float, default=15.0, metavar="SECONDS", help="when it begins (15)")
    parser.add_argument("--lasting", type=float, metavar="SECONDS", help="when it ends (with the demo)")
    parser.add_argument("--list-scenarios", action="store_true", help="tell all scenarios and their alerts, and end")
    arguments = parser.parse_args(argv)
    if arguments.list_scenarios:
        for scenario in SCENARIOS.values():
            _say(f"{scenario.name}\n    {scenario.summary}\n    {alerts_of(scenario)}")
        return 0
    name = arguments.run or f"demo {datetime.now():%d %b %Y %H:%M:%S}"  # noqa: DTZ005 - the clock on the wall
    try:
        admin = Admin.read(os.environ)
        plan = _plan(arguments.data.resolve(), name, os.environ)
        if not admin.port and not arguments.scenario:
            return _run(plan)
        require_free(admin.port, "ADMIN_PORT", "the admin door")
        canaries = {"inventory": CANARY} if admin.port or arguments.scenario == "bad-canary" else {}
        plan = replace(plan, admin_token=admin.token or secrets.token_urlsafe(), canaries=canaries)
        return _run(plan, lambda shop: _scenarios(shop, admin, arguments))
    except (PortBusyError, ChildFailedError, ValueError) as error:
        _say(f"error: {error}")
        return 1


def _plan(directory: Path, run: str, environment: Mapping[str, str]) -> Plan:
    return Plan(
        directory=directory,
        run=run,
        gateway_port=int(number(environment, "GATEWAY_PORT", 8000)),
        console_port=int(number(environment, "CLEW_CONSOLE_PORT", 8700)),
        otlp_http_port=int(number(environment, "CLEW_CONSOLE_OTLP_HTTP_PORT", 4318)),
        otlp_grpc_port=int(number(environment, "CLEW_CONSOLE_OTLP_GRPC_PORT", 4317)),
        load_rate=number(environment, "LOAD_RATE", 5.0),
        replicas=2,
        service_environment=_SERVICES,
    )


Beside = Callable[[Shop], AbstractContextManager[Callable[[], None]]]
"""What runs beside a shop: a context that gives what to call twice a second."""


def _run(plan: Plan, beside: Beside = lambda _shop: nullcontext(lambda: None)) -> int:
    with _stop_signal() as stopped:
        shop = Shop(plan, _say)
        try:
            shop.start(stopped.is_set)
            _say_where(shop)
            with beside(shop) as act:
                while not stopped.wait(0.5):
                    shop.check()
                    act()
                _say("stopping")
        except InterruptedError:
            pass
        finally:
            shop.stop()
    _say("stopped")
    return 0


@contextmanager
def _scenarios(shop: Shop, admin: Admin, chosen: argparse.Namespace) -> Iterator[Callable[[], None]]:
    """Open the demo's own admin door, if it has one, and give what begins and ends the chosen scenario in time."""
    with Scenarios(Stage(shop)) as scenarios:
        server = serve(admin, {"scenarios": scenarios}) if admin.port else None
        if server:
            _say(f"scenarios are switched at http://{LOOPBACK}:{admin.port}/scenarios, with ADMIN_TOKEN")
        try:
            if chosen.scenario:
                yield Cue(scenarios, chosen.scenario, chosen.after, chosen.lasting, _say).act
            else:
                yield lambda: None
        finally:
            if server:
                server.shutdown()
                server.server_close()


@contextmanager
def _stop_signal() -> Iterator[threading.Event]:
    """Give an event that SIGINT and SIGTERM set, so that neither can interrupt the clean-up."""
    stopped = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: stopped.set()) for number in numbers]
    try:
        yield stopped
    finally:
        for each, handler in zip(numbers, before, strict=True):
            signal.signal(each, handler)


def _say_where(shop: Shop) -> None:
    _say("")
    _say(f"console  {shop.console_url}   run: {shop.plan.run}")
    _say(f"gateway  {shop.gateway_url}/products")
    _say(f"metrics  {shop.gateway_url}/metrics")
    _say(f"logs     {shop.plan.directory / 'logs'}")
    _say("")
    _say("Ctrl-C ends everything.")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
