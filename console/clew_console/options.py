"""What the console is told at its start."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clew_console.store.directory import DEFAULT_MAX_SIZE_BYTES, MIN_MAX_SIZE_BYTES
from clew_console.store.writer import MAX_QUEUED_BYTES


@dataclass(frozen=True, slots=True)
class Options:
    """Where to listen, where to keep the data, who may ask. Port 0 picks a free one.

    Attributes:
        run: Name of the run to write; "" writes without a name.
        token: Asked of everyone; "" asks for none, which an address other than loopback's allows only with `is_open`.
    """

    host: str = "127.0.0.1"
    port: int = 8700
    otlp_http_port: int = 4318
    otlp_grpc_port: int = 4317
    data: Path = Path(".clew/console")
    max_size_bytes: int = DEFAULT_MAX_SIZE_BYTES
    max_queue_bytes: int = MAX_QUEUED_BYTES
    run: str = ""
    token: str = ""
    is_open: bool = False


_DEFAULTS = Options()
_ABOUT = "Receive OTLP, keep it, look at it."
_EPILOG = "`clew console export` and `clew console import` move runs to and from files; each has --help."


def parse_options(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> Options:
    """Read the command line; where it is silent the environment, and then the defaults.

    Raises:
        SystemExit: a wrong value; argparse has printed which.
    """
    found = _parser(environment).parse_args(arguments)
    return Options(
        host=found.host,
        port=found.port,
        otlp_http_port=found.otlp_http_port,
        otlp_grpc_port=found.otlp_grpc_port,
        data=Path(found.data),
        max_size_bytes=found.max_size,
        max_queue_bytes=found.max_queue,
        run=found.run,
        token=found.token,
        is_open=found.no_token,
    )


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="clew console", description=_ABOUT, epilog=_EPILOG)
    parser.add_argument("--host", default=_DEFAULTS.host, help="address to listen on (default: %(default)s)")
    _port(parser, environment, "--port", _DEFAULTS.port, "of the pages and the read API")
    _port(parser, environment, "--otlp-http-port", _DEFAULTS.otlp_http_port, "of OTLP/HTTP")
    _port(parser, environment, "--otlp-grpc-port", _DEFAULTS.otlp_grpc_port, "of OTLP/gRPC")
    parser.add_argument(
        "--data", default=data_default(environment), metavar="DIR", help="where to keep the data (default: %(default)s)"
    )
    parser.add_argument(
        "--max-size",
        type=_max_size_bytes,
        default=_DEFAULTS.max_size_bytes,
        metavar="BYTES",
        help="delete the oldest data beyond this many bytes (default: %(default)s)",
    )
    parser.add_argument(
        "--max-queue",
        type=_max_queue_bytes,
        default=_DEFAULTS.max_queue_bytes,
        metavar="BYTES",
        help="answer 503 when this much is waiting to be stored (default: %(default)s, at most 1/32 of --max-size)",
    )
    run = environment.get("CLEW_CONSOLE_RUN", "")
    about_run = "keep what comes as a run of this name, or go on with the one there is (CLEW_CONSOLE_RUN)"
    parser.add_argument("--run", type=str.strip, default=run, metavar="NAME", help=about_run)
    _token(parser, environment)
    return parser


def _token(parser: argparse.ArgumentParser, environment: Mapping[str, str]) -> None:
    about = "ask everyone for it, of at least 16 characters (better as CLEW_CONSOLE_TOKEN); needed with --host"
    parser.add_argument("--token", default=environment.get("CLEW_CONSOLE_TOKEN", ""), metavar="TOKEN", help=about)
    about = "with --host and without a token: let everyone in who reaches the address"
    parser.add_argument("--no-token", action="store_true", help=about)


def data_default(environment: Mapping[str, str]) -> str:
    """Return the data directory where none is named."""
    return environment.get("CLEW_CONSOLE_DATA") or str(_DEFAULTS.data)


def port_variable(option: str) -> str:
    """Return the environment variable beside a port's option: --otlp-http-port -> CLEW_CONSOLE_OTLP_HTTP_PORT."""
    return f"CLEW_CONSOLE_{option.lstrip('-').replace('-', '_').upper()}"


def _port(
    parser: argparse.ArgumentParser, environment: Mapping[str, str], option: str, default: int, what: str
) -> None:
    variable = port_variable(option)
    parser.add_argument(
        option,
        type=_port_number,
        default=environment.get(variable) or str(default),  # a text, so that argparse checks it as it checks an option
        metavar="N",
        help=f"port {what}, 0 for any free one (default: {default}, or {variable})",
    )


def _port_number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text[:6]) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return int(text)


def _max_queue_bytes(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:20]) <= MAX_QUEUED_BYTES:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of bytes from 1 to {MAX_QUEUED_BYTES}")
    return int(text[:20])


def _max_size_bytes(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text[:20]) < MIN_MAX_SIZE_BYTES:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of bytes from {MIN_MAX_SIZE_BYTES} up")
    return int(text[:20])
