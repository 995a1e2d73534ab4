"""The stories run on whatever backends are chosen; on the stack they are among its tests, which share one shop."""

from pathlib import Path

import pytest


@pytest.hookimpl(tryfirst=True)  # before marks and groups are looked at
def pytest_collection_modifyitems(config, items):
    """With `--backends stack` take part in `-m stack`."""
    if config.getoption("--backends") != "stack":
        return
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.stack)
            item.add_marker(pytest.mark.xdist_group("stack"))


@pytest.fixture(scope="module", autouse=True)
def alone(request):
    """No other customers come to a shop that tests share: the stories alone change the stock."""
    if request.config.getoption("--backends") == "stack":
        request.getfixturevalue("calm_shop")
