"""The command line: `clew console`, or `python -m clew_console`."""

import asyncio
import logging
import signal
import sys
from collections.abc import Sequence

from clew_console import transfer
from clew_console.access.token import AccessError
from clew_console.console import Addresses, Console
from clew_console.options import parse_options
from clew_console.port import PortError
from clew_console.store.segment import SegmentError


def main(argv: Sequence[str] | None = None) -> int:
    """Run a console until SIGINT or SIGTERM, or move a run. Return the exit code: 1 when that cannot be done."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] in (["export"], ["import"]):
        return transfer.main(arguments)
    options = parse_options(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("clew_console").setLevel(logging.INFO)
    try:
        console = Console(options)
    except (AccessError, PortError, SegmentError) as error:
        _print_error(str(error))
        return 1
    except OSError as error:
        _print_error(f"cannot use {options.data} for the data ({error.strerror}); choose another --data")
        return 1
    asyncio.run(_run(console))
    return 0


async def _run(console: Console) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await console.run(stop, _print_ready)


def _print_ready(addresses: Addresses) -> None:
    """Say where to look and where to send; the last line is for programs."""
    lines = [
        f"console    {addresses.ui}",
        f"OTLP/HTTP  {addresses.otlp_http}",
        f"OTLP/gRPC  {addresses.otlp_grpc or 'off (pip install grpcio)'}",
        *([f"open once  {addresses.login}"] if addresses.login else []),
        f"console ready ui={addresses.ui} otlp={addresses.otlp_http}",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _print_error(message: str) -> None:
    sys.stderr.write(f"clew console: {message}\n")
