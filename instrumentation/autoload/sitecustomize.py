"""Instruments a process that `clew run` has started, before its first line."""

import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path


def _run_the_one_before() -> None:
    """Run the `sitecustomize` that this one hides, if there is any."""
    here = str(Path(__file__).parent)
    spec = PathFinder.find_spec("sitecustomize", [entry for entry in sys.path if entry != here])
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(module_from_spec(spec))


def _instrument() -> None:
    try:
        from instrumentation._setup import instrument_process  # noqa: PLC0415

        instrument_process()
    except Exception as error:
        # A service must start without its telemetry rather than not at all.
        sys.stderr.write(f"clew: not instrumented: {type(error).__name__}: {error}\n")


_run_the_one_before()
_instrument()
