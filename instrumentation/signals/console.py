"""Render log records for a terminal."""

from collections.abc import Mapping
from time import localtime, strftime

from instrumentation.context import Identity
from instrumentation.encode.otlp import as_text
from instrumentation.semconv import EXCEPTION_STACKTRACE
from instrumentation.signals.log import Level

_COLOURS = {"debug": 36, "info": 32, "warning": 33, "error": 31, "critical": 35}


def render_console(
    service_name: str,
    level: Level,
    logger: str,
    event: str,
    attributes: Mapping[str, object],
    parent: Identity | None,
    time_unix_ns: int,
) -> bytes:
    """Render a record as a coloured line; a stack trace follows on lines of its own."""
    del service_name
    clock = strftime("%H:%M:%S", localtime(time_unix_ns // 1_000_000_000))
    milliseconds = time_unix_ns // 1_000_000 % 1000
    pairs = [(key, value) for key, value in attributes.items() if key != EXCEPTION_STACKTRACE]
    rest = "".join([f" \x1b[2m{visible(key)}=\x1b[0m{visible(as_text(value))}" for key, value in pairs])
    trace = f" \x1b[2mtrace_id={parent.trace_id.hex()}\x1b[0m" if parent is not None else ""
    line = (
        f"\x1b[2m{clock}.{milliseconds:03d}\x1b[0m \x1b[{_COLOURS.get(level.name, 37)}m{level.name:8}\x1b[0m "
        f"\x1b[1m{visible(event)}\x1b[0m \x1b[2m{visible(logger)}\x1b[0m{rest}{trace}\n"
    )
    stacktrace = as_text(attributes.get(EXCEPTION_STACKTRACE, ""))
    indented = "".join([f"    {visible(part)}\n" for part in stacktrace.splitlines()])
    return (line + indented).encode(errors="replace")


def visible(text: str) -> str:
    """Escape what would move the cursor or change colours: C0, DEL, C1, line and paragraph separators."""
    if text.isprintable():
        return text
    return "".join([char if char.isprintable() else char.encode("unicode_escape").decode() for char in text])
