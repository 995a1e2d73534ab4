"""Numbers as people read them."""

import pytest
from clew_console.web.text import rate_text, unit_name


@pytest.mark.parametrize(
    ("per_second", "text"),
    [(0, "0/s"), (12345, "12.3 k/s"), (3.1, "3.1/s"), (0.1, "0.1/s"), (1 / 30, "2/min"), (1 / 3600, "1/h")],
)
def test_a_rate_needs_no_small_fractions(per_second, text):
    """It is told per second, minute or hour, whichever reads best."""
    assert rate_text(per_second) == text


@pytest.mark.parametrize(("unit", "name"), [("{connection}", "connection"), ("s", "s"), ("By", "bytes"), ("", "")])
def test_a_unit_has_a_name(unit, name):
    """UCUM's braces around what is counted are for machines."""
    assert unit_name(unit) == name
