"""For pytest: the fixture `clew` captures a test's telemetry, `--clew-update` writes golden shapes.

pytest loads this module wherever Clew is installed; the kit is imported when the fixture is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import pytest

if TYPE_CHECKING:
    from instrumentation.testing import Captured

MARKER = "clew(real_clock=False, **settings): how the fixture `clew` captures; settings: fields of `Settings`"
_MISSING = "the fixture clew needs what is not installed here ({name}); install it with: pip install 'clew[testing]'"
DIRECTORY = "traces"
"""Where golden shapes are, beside the file of the test."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--clew-update`."""
    about = "write the golden shapes of traces that differ, instead of failing"
    parser.getgroup("clew").addoption("--clew-update", action="store_true", default=False, help=about)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", MARKER)


@pytest.fixture
def clew(request: pytest.FixtureRequest) -> Iterator[Captured]:
    """The telemetry of this test alone: spans, logs and metrics as they would have been sent, decoded."""
    try:
        from instrumentation.testing import Golden, capture  # noqa: PLC0415 only tests that use it pay for it
    except ModuleNotFoundError as error:
        raise pytest.UsageError(_MISSING.format(name=error.name)) from error
    node: pytest.Item = cast("Any", request).node  # pytest leaves it without a type
    options: dict[str, object] = {}
    for marker in reversed(list(node.iter_markers("clew"))):
        options.update(marker.kwargs)
    real_clock = bool(options.pop("real_clock", False))
    update = bool(request.config.getoption("--clew-update"))
    golden = Golden(node.path.parent / DIRECTORY, f"{node.path.stem}.{node.name}", update)
    with capture(real_clock=real_clock, golden=golden, **options) as captured:
        yield captured
