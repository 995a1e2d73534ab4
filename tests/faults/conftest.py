"""The fault table: each row is a file here, quick in every run of the tests and whole with `-m faults`."""

import itertools
import re
import textwrap
from pathlib import Path

import pytest
from harness.invariants import breaches
from harness.pace import QUICK, WHOLE
from harness.process import Program
from harness.proxy import Weather
from harness.record import all_arrived
from harness.sink import Sink
from harness.table import Line, counted, merged
from harness.trial import QUICK_RATE, QUICK_TIMEOUT_SECONDS, Trial, capacity, share_of

TIMEOUT_SECONDS = 10.0
"""Of an export, unless it is set."""
WHOLE_MARKS = ("faults", "soak")


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(config, items):
    """Leave the whole runs out unless `-m` asks for them, as they take minutes; keep users of one service together."""
    for item in items:
        if "run" in item.fixturenames and item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.xdist_group("faults"))
    for item in items:
        if item.get_closest_marker("faults"):
            item.add_marker(pytest.mark.timeout(900))
    not_asked_for = [mark for mark in WHOLE_MARKS if mark not in config.getoption("markexpr")]
    left_out = [item for item in items if any(map(item.get_closest_marker, not_asked_for))]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


def pytest_addoption(parser):
    """Add `--fault-table`."""
    parser.addoption("--fault-table", type=Path, help="page whose table takes the rows that are run")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Keep what a run told, for the table: whole runs alone, of tests that have any."""
    report = yield
    row = re.match(r"test_row_(\d+)", item.path.name)
    is_quick = "pace" in item.fixturenames and not any(map(item.get_closest_marker, WHOLE_MARKS))
    if row and not is_quick and (report.when == "call" or report.failed):
        told = dict(item.user_properties).get("fault", (item.function.__doc__.partition("\n")[0], ""))
        outcome = "survived" if report.passed else f"**not survived**: {call.excinfo.exconly()[:300]}"
        item.session.stash.setdefault(_LINES, []).append(Line(int(row[1]), *told, outcome))
    return report


def pytest_sessionfinish(session):
    """Write the table."""
    page, lines = session.config.getoption("--fault-table", None), session.stash.get(_LINES, [])
    if page and lines:
        page.write_text(merged(page.read_text(), counted(lines)))


_LINES = pytest.StashKey()


@pytest.fixture(params=[pytest.param(QUICK, id="quick"), pytest.param(WHOLE, id="whole", marks=pytest.mark.faults)])
def pace(request):
    """How thorough the run is."""
    return request.param


@pytest.fixture(scope="session")
def whole_rate(tmp_path_factory):
    """The rate of whole runs: 60 % of what the services can serve."""
    return share_of(capacity(tmp_path_factory.mktemp("capacity")))


@pytest.fixture
def rate(request, pace):
    """Requests per second to each service."""
    return request.getfixturevalue("whole_rate") if pace.is_whole else QUICK_RATE


@pytest.fixture
def trial(tmp_path, pace, rate):
    """Start a service, what it sends to, and its twin; arguments are those of `Trial`."""
    made = []

    def make(rate=rate, **settings):
        made.append(Trial(tmp_path / f"trial{len(made)}", pace, rate, **settings))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture(scope="session")
def standing(tmp_path_factory):
    """One service for all quick runs that need no other settings: to start it takes longer than such a run."""
    made = Trial(tmp_path_factory.mktemp("standing"), QUICK, QUICK_RATE)
    yield made
    made.close()


@pytest.fixture
def run(request, trial, pace):
    """Return a function that runs a fault on a service with the harness's own settings; arguments as of `Trial.run`.

    The fault's functions are given the trial.
    """

    def run(begin, end, seconds=None, *, rate=None):
        if pace.is_whole:
            attacked = trial() if rate is None else trial(rate=rate)
        else:
            attacked = request.getfixturevalue("standing")
        return attacked.run(lambda: begin(attacked), lambda: end(attacked), seconds, last=pace.is_whole)

    return run


@pytest.fixture
def sink(tmp_path):
    """A receiver of its own."""
    made = Sink(tmp_path / "sink").start()
    yield made
    made.close()


@pytest.fixture
def run_program(tmp_path):
    """Return a function that runs code to its end in a process that sends to a receiver; returns the program."""
    made, numbers = [], itertools.count()

    def run_program(code, sink, seconds=60, **environment):
        directory = tmp_path / f"program{next(numbers)}"
        directory.mkdir()
        (directory / "program.py").write_text(textwrap.dedent(code))
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, **environment}
        program = Program("program.py", directory=directory, **environment)
        made.append(program)
        program.popen.wait(seconds)
        return program

    yield run_program
    for program in made:
        program.close()


@pytest.fixture
def tell(record_property):
    """Put into the table what was injected and what was seen; also what does not hold, which fails the test."""

    def tell(injected, figures, wrong=()):
        record_property("fault", (injected, figures))
        assert list(wrong) == []

    return tell


@pytest.fixture
def judge(tell):
    """Tell a run's figures, and fail if an invariant does not hold."""

    def judge(injected, record, more=""):
        tell(injected, record.figures() + more, breaches(record))

    return judge


@pytest.fixture
def judge_breaking_off(trial, judge, pace):
    """Hold exports in a weather that never lets one end to their timeout, and to the arrival of all afterwards."""

    def judge_breaking_off(weather, injected):
        seconds = TIMEOUT_SECONDS if pace.is_whole else QUICK_TIMEOUT_SECONDS
        attacked = trial()
        record = attacked.run(
            lambda: attacked.proxy.turn(weather), lambda: attacked.proxy.turn(Weather.FAIR), seconds + 1
        )
        timeouts = [float(text) for text in re.findall(r"no answer within ([\d.]+) s", record.attacked.stderr)]
        judge(injected, record, f"; exports broken off after {timeouts} s")
        assert timeouts == [pytest.approx(seconds, abs=1)] * len(timeouts)
        assert timeouts
        assert all_arrived(record)

    return judge_breaking_off
