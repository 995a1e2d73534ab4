"""Row 12: the disk is full."""

import json
import resource

from harness.invariants import breaches
from harness.record import lost

TO_THE_BRIM_BYTES = 1000
"""Room that is left: the limit falls within a line."""


def is_json(line):
    """Tell whether a line is whole."""
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def test_full_in_the_middle_of_a_line(run, tell):
    """A file of lines that cannot grow costs no request; what is lost is counted, and what is delivered is whole."""
    seen = []

    def fill(attacked):
        program = attacked.service.program
        seen.append(file := program.directory / "stdout")
        limit = file.stat().st_size + TO_THE_BRIM_BYTES
        resource.prlimit(program.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    def empty(attacked):
        resource.prlimit(
            attacked.service.program.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        )

    record = run(fill, empty)
    dropped = lost(record.attacked.books, "lines")
    delivered = record.attacked.books["lines"]["delivered"]
    whole = sum(map(is_json, seen[0].read_text().splitlines())) - record.attacked.lines_before
    wrong = breaches(record)
    if whole != delivered:
        wrong.append(f"{delivered} lines delivered, {whole} whole ones in the file")
    tell("the file behind stdout cannot grow, from the middle of a line on", record.figures(), wrong)
    assert dropped.keys() == {"disk_full"}
    assert delivered + dropped["disk_full"] == 2 * len(record.attacked.requests)
