"""The matrix is told at the end of a run, and written into docs/scenarios.md where `--scenario-table` asks for it."""

from pathlib import Path

import matrix
import pytest
from shop.scenarios.table import SCENARIOS

_LINES = pytest.StashKey()
TITLES = {False: "simulated", True: "live"}


def pytest_addoption(parser):
    """Add `--scenario-table`."""
    parser.addoption("--scenario-table", type=Path, help="page whose tables take the scenarios that are run")


@pytest.fixture
def matrix_line(request):
    """Return a function that keeps when alerts fired in a scenario, for the matrix."""

    def keep(name, fired, *, quick=False):
        request.session.stash.setdefault(_LINES, {}).setdefault(quick, {})[name] = fired

    return keep


def pytest_terminal_summary(terminalreporter, config):
    """Print the matrix."""
    for quick, fired in sorted(terminalreporter._session.stash.get(_LINES, {}).items()):
        terminalreporter.section(f"seconds to detect, {TITLES[quick]}")
        terminalreporter.write_line(matrix.drawn(SCENARIOS, fired, quick=quick))
        page = config.getoption("--scenario-table", None)
        if page:
            page.write_text(matrix.told(page.read_text(), TITLES[quick], SCENARIOS, fired, quick=quick))
