"""Waiting for an import."""

import sys

import pytest

from instrumentation.importing import when_imported


@pytest.fixture
def module(tmp_path, monkeypatch):
    """The name of a module that can be imported once."""
    (tmp_path / "imported_late.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "imported_late"
    sys.modules.pop("imported_late", None)


def test_it_runs_after_the_import(module):
    """The function runs once, after the module's last line, and the module is as it would be without us."""
    seen = []
    when_imported(module, lambda: seen.append(sys.modules[module].value))
    assert seen == []
    imported = __import__(module)
    __import__(module)
    assert seen == [1]
    assert type(imported.__loader__).__name__ == type(imported.__spec__.loader).__name__ == "SourceFileLoader"


def test_it_runs_at_once_if_imported(module):
    """A module that is there already is not waited for."""
    __import__(module)
    seen = []
    when_imported(module, lambda: seen.append(1))
    assert seen == [1]


def test_it_can_be_withdrawn(module):
    """A wish that was withdrawn does not come true, and leaves nothing in the import system."""
    before = sys.meta_path[:]
    seen = []
    when_imported(module, lambda: seen.append(1))()
    assert sys.meta_path == before
    __import__(module)
    assert seen == []
