"""Write the reference of all settings, docs/settings.md; with `--check` tell of drift instead."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from instrumentation.settings import IN_CODE, Parameter, parameters

PAGE = Path(__file__).with_name("settings.md")
HEAD = """\
# Settings

Generated from `instrumentation/settings.py` by `make generate`.

Every setting is read once, by `instrument()`. An argument in code goes before the environment, the environment before
the default:

```python
from instrumentation import Settings, instrument, span

telemetry = instrument(settings=Settings.from_env(service_name="orders", access_log=False))
span("charge")(int)()
```

An empty variable counts as unset; only `true`, in any case, is true. A value that is not valid is named on stderr, with
what is used instead, and never stops the service; in code it raises `ValueError`, an unknown name `TypeError`. Times
are seconds in code and in `CLEW_*`, milliseconds in `OTEL_*`, as OpenTelemetry's specification has it. Where a row
names several variables, the first one that is set counts.
"""
OF_SIGNALS = """
## Of each signal

`{SIGNAL}` is `TRACES`, `LOGS` or `METRICS`; `{PROCESSOR}` is `BSP` for spans and `BLRP` for log records. In code a name
sets all three signals; `traces=`, `logs=` and `metrics=` take a `SignalSettings` each.
"""
IN_CODE_ALONE = """
## In code alone

Objects of OpenTelemetry's SDK, which no variable can name: {names}. See [opentelemetry.md](opentelemetry.md).
"""


def page() -> str:
    """Return the text of the page."""
    rows = list(parameters())
    of_signals = [row for row in rows if any("{" in name for name in row.variables)]
    of_process = [row for row in rows if row not in of_signals]
    names = ", ".join(f"`{name}`" for name in IN_CODE)
    return "".join(
        [
            HEAD,
            "\n## Of the process\n",
            *_table(of_process),
            OF_SIGNALS,
            *_table(of_signals),
            IN_CODE_ALONE.format(names=names),
        ]
    )


def _table(rows: Iterable[Parameter]) -> Iterator[str]:
    yield "\n| variable | in code | default | values | meaning |\n|---|---|---|---|---|\n"
    for row in rows:
        variables = "<br>".join(f"`{name}`" for name in row.variables)
        yield f"| {variables} | `{row.name}` | {_default(row)} | {_expected(row)} | {row.doc} |\n"


def _default(row: Parameter) -> str:
    match row.default:
        case None:
            return ""
        case bool():
            return f"`{str(row.default).lower()}`"
        case tuple() | dict():
            return f"`{','.join(row.default)}`" if row.default else ""
        case float() if row.name.endswith("_seconds"):
            return f"{row.default:g} s"
        case _:
            return f"`{row.default}`"


def _expected(row: Parameter) -> str:
    is_time = row.name.endswith("_seconds") and row.variables[0].startswith("OTEL_")
    return f"{row.expected} (ms)" if is_time else row.expected


def main(arguments: list[str]) -> int:
    """Write the page, or tell with `--check` whether it would change; return the exit code."""
    text = page()
    if arguments == ["--check"]:
        if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text:
            return 0
        sys.stderr.write(f"{PAGE} is not what the settings say; write it with: make generate\n")
        return 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
