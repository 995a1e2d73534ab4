"""The fault table of the documentation: a run puts its rows in place of those that were there."""

import re
from collections import Counter
from typing import NamedTuple

HEAD = "| row | injected | seen | |\n|---|---|---|---|\n"
_TABLE = re.compile(re.escape(HEAD) + r"((?:\|.*\n)*)")


class Line(NamedTuple):
    """A line of the table.

    Attributes:
        row: Its number, from 1 to 29.
        injected: The fault.
        seen: Figures.
        outcome: `survived`, or what did not hold.
    """

    row: int
    injected: str
    seen: str
    outcome: str

    def __str__(self):
        cells = (cell.replace("|", "\\|").replace("\n", " ") for cell in self[1:])
        return f"| {self.row} | {' | '.join(cells)} |\n"


def merged(page, lines):
    """Return the page with these lines in place of those of the same rows."""
    old = _TABLE.search(page)[1].splitlines(keepends=True)
    new_rows = {line.row for line in lines}
    kept = [(number, text) for text in old if (number := int(text.split("|")[1])) not in new_rows]
    table = sorted([*kept, *((line.row, str(line)) for line in lines)], key=lambda entry: entry[0])
    return _TABLE.sub(lambda _: HEAD + "".join(text for _, text in table), page)


def counted(lines):
    """Return the lines with those that are alike as one, which says of how many cases it tells."""
    return [
        line if line.seen or count == 1 else line._replace(seen=f"{count} cases")
        for line, count in Counter(lines).items()
    ]
