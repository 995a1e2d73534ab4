"""`clew demo`: run the shop and the console until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from shop.child import ChildFailedError
from shop.ports import PortBusyError
from shop.reliability.environment import number
from shop.runner import Plan, Shop

_SERVICES = {
    "inventory": {"RESTOCK_SECONDS": "5", "STOCK_PIECES": "1000"},
    "payments": {"DECLINE_SHARE": "0.1"},
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo and return its exit code: 0 after Ctrl-C or SIGTERM, 1 when something failed."""
    parser = argparse.ArgumentParser(prog="clew demo", description="Run the shop and the console until Ctrl-C.")
    parser.add_argument("--data", type=Path, default=Path(".clew"), help="directory for data and logs (.clew)")
    parser.add_argument("--run", default="", metavar="NAME", help="name of this run in the console (demo and the time)")
    arguments = parser.parse_args(argv)
    name = arguments.run or f"demo {datetime.now():%d %b %Y %H:%M:%S}"  # noqa: DTZ005 - the clock on the wall
    try:
        return _run(_plan(arguments.data.resolve(), name, os.environ))
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


def _run(plan: Plan) -> int:
    with _stop_signal() as stopped:
        shop = Shop(plan, _say)
        try:
            shop.start(stopped.is_set)
            _say_where(shop)
            while not stopped.wait(0.5):
                shop.check()
        except InterruptedError:
            pass
        finally:
            _say("stopping")
            shop.stop()
    _say("stopped")
    return 0


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
