"""The table is complete, and a run changes the rows that it ran alone."""

from harness.table import HEAD, Line, counted, merged


def test_a_run_replaces_its_rows():
    """Rows that were run replace what stood there, the others stay, and all are in order."""
    old, kept = "| 2 | old | x | survived |\n", "| 3 | kept | x | survived |\n"
    page = f"before\n\n{HEAD}{old}{kept}{old}\nafter\n"
    lines = [Line(2, "a|b", "1 ms", "survived"), Line(1, "new", "2 ms", "**not**: x\ny")]
    assert merged(page, lines) == (
        f"before\n\n{HEAD}| 1 | new | 2 ms | **not**: x y |\n| 2 | a\\|b | 1 ms | survived |\n{kept}\nafter\n"
    )


def test_cases_of_one_promise_are_one_line():
    """Lines that differ in nothing become one; a failure among them stays a line of its own."""
    good, bad = Line(23, "large headers", "", "survived"), Line(23, "large headers", "", "**not survived**: x")
    assert counted([good, good, bad, good]) == [good._replace(seen="3 cases"), bad]
