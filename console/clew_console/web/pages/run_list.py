"""The runs of this console: what each holds, to open, compare, export; and a file to import."""

from dataclasses import dataclass

from clew_console.search.run_summary import RunSummary
from clew_console.store.runs import Run
from clew_console.web.page import Page, View
from clew_console.web.run_summaries import Summaries, run_name

LISTED = 100


@dataclass(frozen=True, slots=True)
class Row:
    """One run.

    Attributes:
        summary: None for one that another version of the console wrote.
    """

    run: Run
    name: str
    is_written: bool
    summary: RunSummary | None

    @property
    def href(self) -> str:
        """Where it is looked at."""
        return "/" if self.is_written else f"/run/{self.run.id}/"

    @property
    def started_ns(self) -> int:
        """When it began: as recorded, else the time of its first data."""
        return self.run.started_ns or (self.summary.first_ns if self.summary else 0)


def page(summaries: Summaries, view: View) -> Page:
    """The runs, the newest first, before them the one that is written."""
    del view
    current = summaries.runs.current.id
    rows = [Row(run, run_name(run), run.id == current, summaries.of(run)) for run in summaries.runs.all()[:LISTED]]
    return Page("runs.html", {"rows": sorted(rows, key=lambda row: not row.is_written)})
