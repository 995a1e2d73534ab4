"""For pytest: `--clew-record FILE` keeps a test run's telemetry, the fixture `clew_console` is a console for one test.

pytest loads this module wherever Clew is installed; the console itself is imported when one of the two is used.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from clew_console.testing import ConsoleDouble

_MISSING = "needs what is not installed here ({name}); install it with: pip install 'clew[console]'"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--clew-record`."""
    about = "record the telemetry of this test run to FILE, for `clew console import FILE`"
    parser.getgroup("clew").addoption("--clew-record", metavar="FILE", default=None, help=about)


def pytest_configure(config: pytest.Config) -> None:
    """Start to record, in the one process that all workers of pytest-xdist belong to."""
    file = config.getoption("--clew-record", None)
    if file and not hasattr(config, "workerinput"):
        recorder = _load("clew_console.recorder", "--clew-record").Recorder(file, config)
        config.pluginmanager.register(recorder, "clew-recorder")


@pytest.fixture
def clew_console(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleDouble]:
    """A console of this test alone; the environment makes this process and its children send to it."""
    double = _load("clew_console.testing", "the fixture clew_console").ConsoleDouble(tmp_path_factory.mktemp("console"))
    with double as console:
        for name, value in console.environment.items():
            monkeypatch.setenv(name, value)
        yield console


def _load(module: str, what: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise pytest.UsageError(f"{what} {_MISSING.format(name=error.name)}") from error
