"""The command `clew canary`."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

from instrumentation.backend import Backend, UnansweredError
from instrumentation.canary import report
from instrumentation.canary.judge import Rule
from instrumentation.canary.reading import BY_CALLER, METRICS, Console, Prometheus, Source
from instrumentation.canary.rollout import Outcome, Plan, Progress, Rollout
from instrumentation.canary.traffic import Gateways, Traffic, Untouched

CONSOLE = "http://127.0.0.1:8700"
TOKEN = "ADMIN_TOKEN"  # noqa: S105 - the variable's name
INTERRUPTED = 130


def main(arguments: Sequence[str]) -> int:
    """Roll out, print, and return the exit code: 0 promoted, 1 rolled back, 2 not begun, 130 interrupted."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        plan = _plan(options)
    except ValueError as error:
        parser.error(str(error))
    if options.gateway and not os.environ.get(TOKEN):
        parser.error(f"--gateway needs {TOKEN} in the environment: the value that the gateway was started with")
    try:
        with _termination_interrupts():
            outcome = Rollout(plan, _source(options), _traffic(options), _teller(plan, options.json)).run()
    except (UnansweredError, ValueError) as error:
        sys.stderr.write(f"clew canary: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write(f"clew canary: interrupted; {plan.canary} gets no calls\n" if options.gateway else "")
        return INTERRUPTED
    _say(report.outcome_json(plan, outcome) if options.json else report.outcome_line(plan, outcome))
    return _exit_code(outcome)


def _exit_code(outcome: Outcome) -> int:
    return 0 if outcome.promoted else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="clew canary",
        description="Give a new version of a service more and more of the calls as long as it does no worse than the "
        "stable one; give it none once it does. With --steps 100, a blue-green switch that is watched.",
        epilog="Without --gateway the traffic is left alone and the canary judged as it is, in one step. "
        "Exit code: 0 promoted, 1 rolled back, 2 wrong usage or not begun, 130 interrupted (and rolled back).",
    )
    parser.add_argument("service", help="as the gateway calls it, such as inventory")
    parser.add_argument("--stable", required=True, metavar="VERSION", help="version that is there")
    parser.add_argument("--canary", required=True, metavar="VERSION", help="version that is to take over")
    parser.add_argument(
        "--gateway",
        action="append",
        default=[],
        metavar="URL",
        help=f"admin door of the gateway, once for each of its replicas; its token is read from {TOKEN}",
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--console", default=CONSOLE, metavar="URL", help=f"Clew's console, default {CONSOLE}")
    source.add_argument("--prometheus", metavar="URL", help="Prometheus, instead of the console")
    _add_pace(parser)
    _add_rule(parser)
    parser.add_argument("--json", action="store_true", help="print JSON, an object a line")
    return parser


def _add_pace(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--steps", default="5,25,50,100", metavar="PERCENT,...", help="default 5,25,50,100")
    parser.add_argument("--every", type=float, default=5.0, metavar="SECONDS", help="between looks, default 5")
    parser.add_argument(
        "--timeout", type=float, default=1800.0, metavar="SECONDS", help="for each step to be decided, default 1800"
    )
    parser.add_argument(
        "--metric",
        choices=tuple(METRICS),
        default=BY_CALLER.name,
        help=f"histogram of the calls, default {BY_CALLER.name}: as the gateway sees them",
    )


def _add_rule(parser: argparse.ArgumentParser) -> None:
    rule = Rule()
    add = parser.add_argument
    add("--minimum", type=int, default=rule.minimum, help=f"least calls of each version, default {rule.minimum}")
    add("--objective", type=float, default=99.9, metavar="PERCENT", help="calls that must not fail, default 99.9")
    add("--within", type=float, default=rule.within_seconds, metavar="SECONDS", help="for a call, default 0.25")
    add("--within-objective", type=float, default=99.0, metavar="PERCENT", help="calls within that, default 99")
    add("--burn", type=float, default=rule.burn, help=f"burn rate beyond stable's to exclude, default {rule.burn}")
    add("--slower", type=float, default=rule.slower, help=f"factor of the mean duration, default {rule.slower}")
    add("--risk", type=float, default=100 * rule.risk, metavar="PERCENT", help="of a wrong verdict, default 1")


def _plan(options: argparse.Namespace) -> Plan:
    try:
        steps = tuple(float(step) for step in options.steps.split(","))
    except ValueError:
        raise ValueError(
            f"--steps {options.steps!r}: percentages with commas between them, such as 5,25,50,100"
        ) from None
    return Plan(
        service=options.service,
        stable=options.stable,
        canary=options.canary,
        steps=steps if options.gateway else (),
        rule=Rule(
            minimum=options.minimum,
            objective=options.objective / 100,
            within_seconds=options.within,
            within_objective=options.within_objective / 100,
            burn=options.burn,
            slower=options.slower,
            risk=options.risk / 100,
        ),
        timeout_seconds=options.timeout,
        every_seconds=options.every,
        metric=METRICS[options.metric],
    )


def _source(options: argparse.Namespace) -> Source:
    if options.prometheus:
        return Prometheus(Backend("Prometheus", options.prometheus))
    return Console(Backend("the console", options.console))


def _traffic(options: argparse.Namespace) -> Traffic:
    if not options.gateway:
        return Untouched()
    token = os.environ[TOKEN]
    return Gateways([Backend("the gateway", url, token) for url in options.gateway], options.service)


def _teller(plan: Plan, as_json: bool) -> Callable[[Progress], None]:
    line = report.progress_json if as_json else report.progress_line
    return lambda progress: _say(line(plan, progress))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@contextmanager
def _termination_interrupts() -> Generator[None]:
    """Let SIGTERM do what Ctrl-C does, so that the canary is taken back then too."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
