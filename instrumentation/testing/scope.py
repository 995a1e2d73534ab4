"""Put the test's set-up in the place of the process' own, and take everything back afterwards."""

import logging
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any, NamedTuple

import structlog
from opentelemetry import propagate, trace
from opentelemetry.util._once import Once  # pyright: ignore[reportPrivateImportUsage] what the globals are guarded by

from instrumentation import _providers
from instrumentation._exports import Outlets
from instrumentation._setup import set_aside, wire
from instrumentation.context import seed_ids
from instrumentation.settings import Settings
from instrumentation.testing.captured import Captured, Memory
from instrumentation.testing.clock import Clock
from instrumentation.testing.golden import Golden

_METRICS: Any = import_module("opentelemetry.metrics._internal")
_LOGS: Any = import_module("opentelemetry._logs._internal")
"""Where the API keeps its globals; no public name reaches them."""
SEED = 1
"""Of the ids: a test's first trace has the same id in every run."""
_DEFAULTS: Mapping[str, object] = {
    "service_name": "test",
    "resource_attributes": {"service.instance.id": "test"},
    "log_format": "json",
    "redact": False,  # a test is to see what is said, and not what redaction makes of it
    "metric_interval_seconds": 86_400.0,
}


@contextmanager
def capture(*, real_clock: bool = False, golden: Golden | None = None, **settings: object) -> Generator[Captured]:
    """Capture the telemetry of a block, through the real pipeline and encoder, in memory.

    While it lasts, `instrument` gives the block's set-up, and applications that were instrumented before belong to it.
    Afterwards providers, handlers, structlog's configuration and libraries are what they were.

    Args:
        real_clock: Take the times of records from the process' clock, not from one that stands still.
        golden: Where golden shapes are, for `assert_golden`.
        settings: Fields of `Settings`; the environment is not read. Default: service `test`, lines as JSON, nothing
            redacted.

    Raises:
        TypeError: there is no such setting, or it has the wrong type.
        ValueError: a setting is out of its range.
    """
    chosen = Settings.from_env({}, **{**_DEFAULTS, **settings})
    memory, clock = Memory(), None if real_clock else Clock()
    with ExitStack() as undo:
        applications, put_back = set_aside()
        undo.callback(put_back)
        undo.callback(_keep_structlog())
        undo.callback(_keep_globals())
        undo.callback(seed_ids(SEED))
        if clock is not None:
            undo.callback(clock.install())
        telemetry = wire(chosen, Outlets(memory.exporter, memory.write), applications)
        undo.callback(telemetry.uninstrument)
        if clock is not None:
            undo.callback(_log_by(clock))
        yield Captured(telemetry, memory, clock, golden)


class _Global(NamedTuple):
    """A provider of OpenTelemetry's, which its API lets be set once and never back."""

    module: Any
    provider: str
    once: str
    ours: object


def _globals() -> tuple[_Global, ...]:
    return (
        _Global(trace, "_TRACER_PROVIDER", "_TRACER_PROVIDER_SET_ONCE", _providers.TRACERS),
        _Global(_METRICS, "_METER_PROVIDER", "_METER_PROVIDER_SET_ONCE", _providers.METERS),
        _Global(_LOGS, "_LOGGER_PROVIDER", "_LOGGER_PROVIDER_SET_ONCE", _providers.LOGGERS),
    )


def _keep_globals() -> Callable[[], None]:
    """Make the kit's providers OpenTelemetry's for a while, whoever set others; return what puts those back.

    Not by the API, which would warn of the override, here and when the next test sets its own. Meters that were asked
    for before any provider was set are told of ours as the API does it.
    """
    before = [(one, getattr(one.module, one.provider), getattr(one.module, one.once)) for one in _globals()]
    textmap = propagate.get_global_textmap()
    for one in _globals():
        once = Once()
        once.do_once(lambda: None)
        setattr(one.module, one.provider, one.ours)
        setattr(one.module, one.once, once)
    proxy = _METRICS._PROXY_METER_PROVIDER  # noqa: SLF001
    if proxy._real_meter_provider is None:  # noqa: SLF001
        proxy.on_set_meter_provider(_providers.METERS)
        proxy._real_meter_provider = None  # noqa: SLF001 so that meters asked for later still wait for their own

    def undo() -> None:
        for one, provider, once in before:
            setattr(one.module, one.provider, provider)
            setattr(one.module, one.once, once)
        propagate.set_global_textmap(textmap)

    return undo


def _keep_structlog() -> Callable[[], None]:
    """Remember structlog's configuration; return what makes it as it was."""
    is_configured, configuration = structlog.is_configured(), structlog.get_config()
    configure, processors = structlog.configure, list(configuration["processors"])

    def undo() -> None:
        structlog.configure = configure
        structlog.reset_defaults()
        if is_configured:
            configuration["processors"][:] = processors
            configure(**configuration)

    return undo


def _log_by(clock: Clock) -> Callable[[], None]:
    """Give the records of the standard library's logging the time of the clock."""
    make = logging.getLogRecordFactory()

    def made(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        record.created = clock.read_ns() / 1e9
        record.msecs = record.created % 1 * 1000
        return record

    def undo() -> None:
        if logging.getLogRecordFactory() is made:
            logging.setLogRecordFactory(make)

    logging.setLogRecordFactory(made)
    return undo
