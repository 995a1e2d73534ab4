"""The command `clew doctor`."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from instrumentation.backend import Backend, UnansweredError
from instrumentation.doctor import files, request, sending
from instrumentation.doctor.console import Console
from instrumentation.doctor.report import Hop, as_json, is_well, write_hop
from instrumentation.doctor.stack import Stack
from instrumentation.doctor.walk import Target, walk
from instrumentation.settings import Settings

URLS = {
    "console": ("http://127.0.0.1:8700", "the console"),
    "prometheus": ("http://127.0.0.1:9090", "Prometheus"),
    "loki": ("http://127.0.0.1:3100", "Loki"),
    "tempo": ("http://127.0.0.1:3200", "Tempo"),
    "collector": ("http://127.0.0.1:8888", "the Collector's own metrics"),
}


def main(arguments: Sequence[str]) -> int:
    """Examine, print, and return the exit code: 0 all well, 1 something is broken, 2 wrong usage."""
    options = _parser().parse_args(arguments)
    if find_spec("yaml") is None:
        sys.stderr.write("clew doctor: PyYAML is not installed; install it with: pip install 'clew[doctor]'\n")
        return 2
    try:
        hops = list(_told(options))
    except KeyboardInterrupt:
        return 130
    if options.json:
        sys.stdout.write(f"{as_json(hops)}\n")
    elif is_well(hops):
        sys.stdout.write("all links hold\n")
    return 0 if is_well(hops) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="clew doctor",
        description="Send one marked request's signals, follow every link between them, name the first that is broken.",
        epilog="Where signals are sent to is read from OTEL_EXPORTER_OTLP_* as every service reads it. "
        "Exit code: 0 all links hold, 1 one is broken, 2 wrong usage.",
    )
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--stack", action="store_true", help="Prometheus, Loki and Tempo")
    target.add_argument("--console", action="store_true", help="Clew's console (default: whichever answers)")
    for name, (url, title) in URLS.items():
        parser.add_argument(f"--{name}-url", default=url, metavar="URL", help=f"{title}, default {url}")
    parser.add_argument("--otlp-url", metavar="URL", help="where to send to, instead of OTEL_EXPORTER_OTLP_ENDPOINT")
    parser.add_argument(
        "--files", type=Path, metavar="DIR", help="folder with grafana/ tempo/ prometheus/ collector/ to judge as well"
    )
    parser.add_argument("--timeout", type=float, default=20.0, metavar="SECONDS", help="for each hop, default 20")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _told(options: argparse.Namespace) -> Iterator[Hop]:
    """Yield the hops, and tell each as soon as it is known."""
    out = sys.stderr if options.json else sys.stdout
    for hop in _examine(options):
        write_hop(hop, out)
        yield hop


def _examine(options: argparse.Namespace) -> Iterator[Hop]:
    if options.files is not None:
        yield files.check(options.files)
    target, name = _target(options)
    environ = request.environment(os.environ, options.otlp_url)
    marked = request.send(environ)
    hop = sending.sent(Settings.from_env(environ), marked)
    yield hop
    if not hop.findings:
        yield Hop("target", name)
        yield from walk(target, marked, options.timeout)


def _target(options: argparse.Namespace) -> tuple[Target, str]:
    backends = {name: Backend(title, getattr(options, f"{name}_url")) for name, (_, title) in URLS.items()}
    if options.console or (not options.stack and _answers(backends["console"])):
        return Console(backends["console"]), f"the console at {backends['console'].url}"
    stack = Stack(backends["prometheus"], backends["loki"], backends["tempo"], backends["collector"])
    return stack, f"the stack: {stack.prometheus.url}, {stack.loki.url}, {stack.tempo.url}"


def _answers(backend: Backend) -> bool:
    with suppress(UnansweredError):
        backend.text("/healthz")
        return True
    return False
