"""The kit's own lines."""

import pytest

from instrumentation.diagnostics import Diagnostics


def test_once_a_minute():
    """Lines of one key are written once a minute; the next one tells how many were left out."""
    lines, now = [], [1000.0]
    out = Diagnostics(write=lines.append, clock=lambda: now[0])
    for _ in range(3):
        out.line("a", "first")
    out.line("b", "other")
    now[0] += 60
    out.line("a", "again")
    assert lines == [b"clew: first\n", b"clew: other\n", b"clew: again (2 more like it before)\n"]


@pytest.mark.parametrize(("level", "count"), [("debug", 1), ("warning", 1), ("error", 0), ("none", 0)])
def test_level(level, count):
    """Lines below the level are not written."""
    lines = []
    Diagnostics(level, write=lines.append).line("a", "x", "warning")
    assert len(lines) == count


def test_control_characters():
    """A peer's words cannot break the line or paint the terminal."""
    lines = []
    Diagnostics(write=lines.append).always("a\nb\x1b[31m\ud800\u2028")
    assert lines == [b"clew: a\\nb\\x1b[31m\\ud800\\u2028\n"]
