"""The fast way to encode a span's attribute gives what the plain way gives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrumentation.encode import attribute as fast
from instrumentation.encode import span as plain

KEYS = st.text(max_size=3) | st.sampled_from(["http.route", "k" * 300])
NUMBERS = st.integers() | st.integers(0, 300) | st.sampled_from([2**31 - 1, 2**31, 2**63 - 1, 2**63, -1])
TEXTS = st.text(st.characters(exclude_categories=()), max_size=20) | st.integers(0, 600).map(lambda size: "é" * size)
VALUES = TEXTS | NUMBERS | st.booleans() | st.floats() | st.none() | st.binary(max_size=9) | st.lists(st.integers())


@given(st.lists(st.tuples(KEYS, VALUES, st.sampled_from([4096, 128, 5, 0])), min_size=1, max_size=9))
def test_same_bytes(entries):
    """Whatever came before under the same key, the bytes are the plain way's."""
    for entry in entries:
        assert fast.attribute(*entry) == plain.attribute(*entry)


class Word(str):
    """A text with a form of its own."""

    __slots__ = ()


@pytest.mark.parametrize("value", [Word("word"), Ellipsis, {"a": [1]}, 1 + 2j, range(3)], ids=str)
def test_other_kinds(value):
    """Kinds beside the usual ones go the plain way."""
    assert fast.attribute("key", value) == plain.attribute("key", value)


def test_bounded(monkeypatch):
    """Neither many keys nor long values are kept."""
    monkeypatch.setattr(fast, "_heads", {})
    monkeypatch.setattr(fast, "MAX_KEYS", 2)
    for number in range(12):
        fast.attribute(f"key {number}", "x")
        fast.attribute("key 0", "x" * (number * 32))
    assert {key: len(shapes) for key, shapes in fast._heads.items()} == {"key 0": 6, "key 1": 1}
