"""What is told of each run where runs are listed."""

from clew_console.search.run_summary import RunSummary, run_summary
from clew_console.store.runs import UNNAMED, Run, Runs
from clew_console.store.segment import SegmentError


class Summaries:
    """The runs with their numbers; those of a past run are read once, for it does not change."""

    def __init__(self, runs: Runs) -> None:
        self.runs = runs
        self._known: dict[str, RunSummary] = {}

    def of(self, run: Run) -> RunSummary | None:
        """Return what a run holds; None for one that another version of the console wrote."""
        if run.id == self.runs.current.id:
            return run_summary(self.runs.directory)
        if run.id not in self._known:
            try:
                self._known[run.id] = run_summary(self.runs.directory_of(run))
            except SegmentError:
                return None
        return self._known[run.id]


def run_name(run: Run) -> str:
    """Return what to call a run."""
    return "without a name" if run.id == UNNAMED else run.name
