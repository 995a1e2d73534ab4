"""The plugin in pytest runs of its own."""

import json
import os
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from clew_console.cli import main
from clew_console.exchange.format import RunDecoder
from clew_console.recorder import Recorder
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

pytest_plugins = ["pytester"]

TESTS = """
    import logging
    import subprocess
    import sys

    import pytest
    from instrumentation import instrument, span

    @pytest.fixture(scope="session", autouse=True)
    def telemetry():
        telemetry = instrument(service_name="tested")
        yield
        telemetry.uninstrument()

    def test_good():
        with span("in the test", order=7):
            logging.getLogger("tested").warning("seen by the test")

    def test_child():
        code = "from instrumentation import instrument, span\\nt = instrument()\\nspan('a child')(int)()\\nt.shutdown()"
        subprocess.run([sys.executable, "-c", code], check=True)

    def test_bad():
        assert 1 == 2, "they differ"

    @pytest.mark.skip
    def test_not_now():
        pass
"""


@pytest.fixture
def run(pytester, monkeypatch):
    """Run pytest in a process of its own on a file of tests."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)

    def start(tests, *arguments, plugins=("-p", "clew_console.pytest_plugin")):
        if plugins:  # others that are installed take seconds to start
            monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        pytester.makepyfile(test_it=tests)
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", *plugins, *arguments)

    return start


def recorded(file):
    """Return the spans of a recording by name."""
    decoder = RunDecoder()
    frames = list(decoder.feed(file.read_bytes()))
    decoder.finish()
    requests = [ExportTraceServiceRequest.FromString(one.content) for one in frames if one.kind == "traces"]
    spans = [
        span
        for request in requests
        for of_resource in request.resource_spans
        for of_scope in of_resource.scope_spans
        for span in of_scope.spans
    ]
    return json.loads(frames[0].content), {span.name: span for span in spans}


@pytest.mark.slow
@pytest.mark.parametrize(
    "workers", [(), pytest.param(("-p", "xdist", "-n", "2"), marks=pytest.mark.slow)], ids=["alone", "xdist"]
)
def test_a_run_is_recorded_with_its_tests_and_what_they_sent(run, pytester, tmp_path, workers):
    """`--clew-record FILE` keeps what tests and their children sent and a span per test, also with pytest-xdist."""
    result = run(TESTS, "--clew-record", "run.clew", *workers)
    result.assert_outcomes(passed=2, failed=1, skipped=1)
    result.stdout.fnmatch_lines(["clew: * records of this run in *run.clew; look: clew console import *run.clew"])
    about, spans = recorded(pytester.path / "run.clew")
    assert about["name"].startswith(pytester.path.name)
    assert {"in the test", "a child"} <= spans.keys()
    results = {
        name: {one.key: one.value.string_value for one in span.attributes}["test.case.result.status"]
        for name, span in spans.items()
        if name.startswith("test_it.py")
    }
    assert results == {
        "test_it.py::test_good": "pass",
        "test_it.py::test_child": "pass",
        "test_it.py::test_bad": "fail",
        "test_it.py::test_not_now": "skip",
    }
    bad = spans["test_it.py::test_bad"]
    assert bad.status.code == 2
    assert "they differ" in bad.events[0].attributes[0].value.string_value
    assert main(["import", str(pytester.path / "run.clew"), "--data", str(tmp_path / "data")]) == 0


def test_a_file_that_cannot_be_written_is_told_before_the_tests(run):
    """A directory that is not there is an error of the call, not the loss of a recording."""
    result = run(TESTS, "--clew-record", "nowhere/run.clew")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--clew-record: there is no directory *nowhere*"])


@pytest.mark.slow
def test_the_fixture_is_a_console_of_the_test(run):
    """`clew_console` takes what this process sends, answers TraceQL and LogQL, and starts empty for each test."""
    run(
        """
        import logging
        import os
        import urllib.request

        import pytest
        from instrumentation import instrument, span

        @pytest.fixture
        def telemetry(clew_console):
            telemetry = instrument(service_name="tested")
            yield telemetry
            telemetry.uninstrument()

        def test_spans_lines_and_points(clew_console, telemetry):
            with pytest.raises(ValueError), span("charge", customer="c-1"):
                logging.getLogger("tested").warning("declined")
                raise ValueError("no money")
            telemetry.flush()
            [charge] = clew_console.spans('{ span.customer = "c-1" }')
            assert (charge.name, charge.service, charge.status) == ("charge", "tested", "error")
            assert charge.attributes["customer"] == "c-1"
            assert charge.events[0][0] == "exception"
            assert 0 < charge.duration_seconds < 5
            [line] = clew_console.logs('{service_name="tested"} |= "declined"')
            assert line.labels["trace_id"] == charge.trace_id
            assert clew_console.points("process.cpu.time")
            assert urllib.request.urlopen(f"{clew_console.url}/trace/{charge.trace_id}").status == 200

        def test_the_next_starts_empty(clew_console):
            assert clew_console.spans(at_least=0) == []
            assert os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] == clew_console.otlp_url

        def test_what_is_missing_is_told_with_what_is_there(clew_console, telemetry):
            with span("other"):
                pass
            telemetry.flush()
            with pytest.raises(AssertionError, match="not 1; there is\\n  ReceivedSpan.name='other'"):
                clew_console.spans('{ name = "wanted" }', timeout_seconds=0.5)
        """
    ).assert_outcomes(passed=3)


def test_pytest_starts_without_the_console(run):
    """Neither the console nor what it needs is imported in a test run that uses neither option nor fixture."""
    run(
        """
        import sys

        def test_nothing_is_imported():
            ours = {one for one in sys.modules if one.startswith("clew_console")}
            assert ours == {"clew_console", "clew_console.pytest_plugin"}
            assert "starlette" not in sys.modules and "google.protobuf" not in sys.modules
        """,
        plugins=(),
    ).assert_outcomes(passed=1)


def test_the_environment_is_given_back(tmp_path, monkeypatch):
    """While a run is recorded the variables lead to the recorder; afterwards they are what they were."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://elsewhere:1")
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    where = SimpleNamespace(dir=tmp_path)
    recorder = Recorder("run.clew", SimpleNamespace(rootpath=tmp_path, invocation_params=where))
    assert os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"].startswith("http://127.0.0.1:")
    assert "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" not in os.environ
    recorder.pytest_unconfigure()
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" not in os.environ
    assert os.environ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] == "http://elsewhere:1"


@pytest.mark.slow
def test_the_example_of_the_guide_passes(run):
    """The test in docs/console.md is run as it stands."""
    guide = (Path(__file__).parents[2] / "docs" / "console.md").read_text()
    [example] = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    result = run(example)
    result.assert_outcomes(passed=1)
