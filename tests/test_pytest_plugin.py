"""The plugin in pytest runs of their own: what it catches, what it says, and what it leaves alone."""

import subprocess
import sys
import textwrap

import fastapi  # noqa: F401 runs within this process find it loaded
import httpx  # noqa: F401 likewise
import pytest
import pytest_asyncio.plugin  # noqa: F401 likewise

import instrumentation.testing  # noqa: F401 likewise

pytest_plugins = ["pytester"]

SERVICE = """
    import asyncio
    import threading

    import httpx
    import pytest
    from fastapi import FastAPI, Request
    from instrumentation import get_logger, instrument, span
    from opentelemetry import metrics

    pytestmark = pytest.mark.clew(disabled_instrumentations=("httpx", "threading"))
    app = FastAPI()
    requests = metrics.get_meter("shop").create_counter("shop.requests")

    def charge():
        with span("charge"):
            get_logger("shop").info("charged")

    @app.get("/good/{number}")
    async def good(number: int):
        charge()

    @app.get("/thread/{number}")
    async def in_a_thread(number: int):
        thread = threading.Thread(target=charge)
        thread.start()
        thread.join()

    @app.get("/raw/{number}")
    async def raw(number: int, request: Request):
        requests.add(1, {"path": request.url.path})

    @app.get("/leak")
    async def leak(request: Request):
        get_logger("shop").info("called", header=request.headers["authorization"])

    def get(path, **headers):
        instrument(app)

        async def send():
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as client:
                return await client.get(path, headers=headers)

        return asyncio.run(send())
"""


@pytest.fixture
def run(pytester, monkeypatch):
    """Run pytest within this process on the service and some tests of it."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def start(tests, *arguments, service=SERVICE, process=False):
        pytester.makepyfile(test_it=textwrap.dedent(service) + textwrap.dedent(tests))
        begin = pytester.runpytest_subprocess if process else pytester.runpytest_inprocess
        loaded = "ignore:Module already imported so cannot be rewritten:pytest.PytestAssertRewriteWarning"
        plugins = ("-p", "instrumentation.pytest_plugin", "-p", "no:cacheprovider")
        return begin(*plugins, "-W", "error", "-W", loaded, *arguments)

    return start


GOOD = '''
def test_good(clew):
    get("/good/1")
    clew.assert_trace("""
        server GET /good/{number}
          internal charge
    """)
    clew.assert_linked(clew.log("charged"), clew.span("charge"), clew.point("http.server.request.duration"))
    clew.assert_low_cardinality()
    clew.assert_no_secrets("canary-1")
    clew.assert_logs_linked(ignore=["httpx"])
'''


def test_a_good_service_passes(run):
    """All assertions hold for a service that does everything right, test after test."""
    run(f"{GOOD}\n{GOOD.replace('test_good', 'test_good_again')}").assert_outcomes(passed=2)


def test_a_dropped_parent_is_caught(run):
    """A span whose context was lost on the way into a thread fails the shape, with the cause named."""
    result = run('''
def test_it(clew):
    get("/thread/1")
    clew.assert_trace("""
        server GET /thread/{number}
          internal charge
    """)
''')
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E*the trace has another shape (- expected, + captured):",
            "E*- *internal charge",
            "E*+ internal charge",
            "E*'internal charge' has no parent and begins trace * of its own: the context was lost on the way to it.*",
        ]
    )


def test_missing_ids_are_caught(run):
    """A log that was written outside of its span fails the link, and the check of all logs, with its words."""
    result = run("""
        def test_link(clew):
            get("/thread/1")
            get_logger("shop").info("too late")
            clew.assert_linked(clew.log("too late"), clew.span("GET /thread/{number}"))

        def test_all(clew):
            get_logger("shop").info("too late")
            clew.assert_logs_linked()

        def test_other_trace(clew):
            get("/good/1")
            with span("other"):
                pass
            clew.assert_linked(clew.log("charged"), clew.span("other"))

        def test_exemplar(clew):
            get("/good/1")
            requests.add(1)
            clew.assert_linked(clew.log("charged"), clew.span("charge"), clew.point("shop.requests"))
    """)
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines(
        [
            "E*log 'too late' of shop has no trace_id and no span_id: it was written outside of any span.*",
            "E*1 log records belong to no captured span:",
            "E*INFO shop: 'too late' has no ids",
            "E*log 'charged' of shop belongs to trace *, not to internal span 'other' *",
            "E*metric 'shop.requests' {} has no exemplar: it was measured outside of a sampled span",
        ]
    )


def test_a_raw_path_as_label_is_caught(run):
    """A metric that has the path of each request as label fails, with metric, label and route."""
    result = run("""
        def test_it(clew):
            get("/raw/1")
            clew.assert_low_cardinality()
    """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E*labels that vary per request:",
            "E*metric 'shop.requests': label 'path' is a raw path, whose route is '/raw/{number}': '/raw/1'",
        ]
    )


def test_a_leaked_token_is_caught_and_not_shown(run):
    """A bearer token and the test's own canary in a log fail in every exit, and the assertion's words hide them.

    What a service would not let out is found all the same, unless redaction is asked for.
    """
    result = run(
        """
        def test_default(clew):
            get("/leak", authorization="Bearer abcd1234efgh5678")
            clew.assert_no_secrets()

        def test_canary(clew):
            get("/leak", authorization="canary-5309")
            clew.assert_no_secrets("canary-5309", allow=("value of a secret's name",))

        @pytest.mark.clew(redact=True)
        def test_redacted(clew):
            get("/leak", authorization="Bearer abcd1234efgh5678")
            clew.assert_no_secrets()
    """,
        "--show-capture=no",
        "--tb=line",
    )
    result.assert_outcomes(failed=2, passed=1)
    text = result.stdout.str()
    assert "authorization header in attribute 'header' of log of 'shop': 'Bear'… (23 characters)" in text
    assert "authorization header in a line on stdout" in text
    assert "secret 1 of the test in attribute 'header' of log of 'shop'" in text
    assert "efgh5678" not in text
    assert "5309" not in text


def test_golden_shapes_are_written_compared_and_written_anew(run, pytester):
    """Without a file the test fails and says how to write it; a change fails with its difference until it is."""
    test = """
        @pytest.mark.parametrize("path", ["/good/1"])
        def test_it(clew, path):
            get(path)
            clew.assert_golden()
            clew.assert_golden("routes", attributes=["http.route"])
    """
    result = run(test)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["E*there is no golden shape *traces/test_it.test_it-good-1.trace; write it with --clew-update.*"]
    )
    run(test, "--clew-update").assert_outcomes(passed=1)
    run(test).assert_outcomes(passed=1)
    directory = pytester.path / "traces"
    assert sorted(file.name for file in directory.iterdir()) == [
        "test_it.test_it-good-1.routes.trace",
        "test_it.test_it-good-1.trace",
    ]
    assert (directory / "test_it.test_it-good-1.routes.trace").read_text() == (
        "# Expected shape of traces; written by `pytest --clew-update`.\n"
        "server GET /good/{number}  http.route=/good/{number}\n"
        "  internal charge\n"
    )
    changed = SERVICE.replace('span("charge")', 'span("pay")')
    result = run(test, service=changed)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*-   internal charge", "E*+   internal pay", "E*--clew-update writes *"])
    run(test, "--clew-update", service=changed).assert_outcomes(passed=1)
    assert "internal pay" in (directory / "test_it.test_it-good-1.trace").read_text()


@pytest.mark.slow
def test_async_tests_and_xdist(run):
    """Async tests are captured, and workers of pytest-xdist do not disturb each other."""
    tests = """
        @pytest.mark.parametrize("number", range(6))
        async def test_async(clew, number):
            with span("parent"):
                await asyncio.gather(*(asyncio.to_thread(charge) for _ in range(3)))
            assert len({one.trace_id for one in clew.spans()}) == 1
            assert [one.name for one in clew.spans()] == ["parent", "charge", "charge", "charge"]
            assert clew.span("parent").trace_id == clew.span("parent").trace_id
    """
    arguments = ("-p", "pytest_asyncio.plugin", "-p", "xdist", "-n", "2", "-o", "asyncio_mode=auto", "-W", "default")
    run(tests, *arguments, process=True).assert_outcomes(passed=6)


def test_a_run_that_does_not_use_it_loads_nothing():
    """The plugin alone imports neither the kit nor what the kit needs, and takes less than 10 ms."""
    code = """
        import sys, time
        import pytest
        before = set(sys.modules)
        begin = time.perf_counter()
        import instrumentation.pytest_plugin
        seconds = time.perf_counter() - begin
        loaded = {name.split(".")[0] for name in set(sys.modules) - before}
        assert loaded == {"instrumentation"}, loaded
        assert len([name for name in sys.modules if name.startswith("instrumentation")]) == 2
        assert seconds < 0.01, seconds
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=60)


def test_what_is_not_installed_is_named(run):
    """Without the extra the fixture says which one to install."""
    result = run(
        """
        import sys

        def test_it(clew):
            pass
        """,
        service="import sys\nsys.modules['opentelemetry.proto'] = None\n",
        process=True,
    )
    result.stdout.fnmatch_lines(["*the fixture clew needs what is not installed here (*pip install 'clew?testing?'*"])


def test_markers_choose_settings(run):
    """The nearest marker wins; a wrong setting is an error that names those there are."""
    result = run("""
        @pytest.mark.clew(service_name="orders", real_clock=True)
        def test_name(clew):
            assert clew.resource()["service.name"] == "orders"
            assert clew.clock is None

        @pytest.mark.clew(nonsense=1)
        def test_wrong(clew):
            pass
    """)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["E*TypeError: unknown setting 'nonsense'; known are *"])
