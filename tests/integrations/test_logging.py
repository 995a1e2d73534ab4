"""Standard library logging: every record once, beside what the service has set up."""

import io
import json
import logging
import sys

import httpx
import pytest

from instrumentation.integrations import logging as integration


@pytest.fixture
def bare_root():
    """Return a function that gives the root logger without pytest's handlers; everything is put back at the end."""
    logger = logging.getLogger()
    before, level, factory = logger.handlers[:], logger.level, logging.getLogRecordFactory()

    def bare():  # called in the test itself, since pytest adds its handlers between set-up and call
        before[:] = logger.handlers
        logger.handlers[:] = []
        logger.setLevel(logging.WARNING)
        return logger

    yield bare
    logging.setLogRecordFactory(factory)
    for name in ("uvicorn.access", "uvicorn.error"):
        logging.getLogger(name).filters.clear()
    logger.handlers[:] = before
    logger.setLevel(level)


def test_a_record_comes_once_with_its_extras(kit, bare_root, plain):
    """Message, logger, level and `extra` are on the line and on the record, once each."""
    root = bare_root()
    undo = integration.install(kit.signals)
    logging.getLogger("shop").info("order %d", 7, extra={"customer": "c-1"})
    undo()
    logging.getLogger("shop").warning("after")
    (line,) = map(json.loads, kit.lines)
    assert (line["event"], line["logger"], line["level"], line["customer"]) == ("order 7", "shop", "info", "c-1")
    ((scope, _),) = kit.records
    assert b"shop" in scope
    assert plain(kit.decoded_logs()[0].attributes) == {"customer": "c-1"}
    assert (root.handlers, root.level) == ([], logging.WARNING)


def test_a_plain_stream_handler_is_taken_over(kit, bare_root):
    """A handler to stdout without a formatter would print each record a second time: ours replaces it, until undone."""
    root = bare_root()
    plain_handler = logging.StreamHandler(sys.stdout)
    root.addHandler(plain_handler)
    undo = integration.install(kit.signals)
    assert plain_handler not in root.handlers
    root.error("x")
    assert len(kit.lines) == 1
    undo()
    assert root.handlers == [plain_handler]


def test_a_formatter_of_the_service_s_own_goes_on_printing(kit, bare_root):
    """If the service prints in a form of its own, it goes on, and we only export."""
    root = bare_root()
    own = logging.StreamHandler(sys.stderr)
    own.setFormatter(logging.Formatter("mine: %(message)s"))
    root.addHandler(own)
    integration.install(kit.signals)
    root.warning("x")
    assert own in root.handlers
    assert (len(kit.lines), len(kit.records)) == (0, 1)


def test_a_handler_that_writes_elsewhere_is_left_alone(kit, bare_root):
    """A file handler gets what it got before, and our line is written as well."""
    root = bare_root()
    file = io.StringIO()
    root.addHandler(logging.StreamHandler(file))
    integration.install(kit.signals)
    root.warning("x")
    assert (file.getvalue(), len(kit.lines), len(kit.records)) == ("x\n", 1, 1)


def test_a_level_that_the_service_chose_is_kept(kit, bare_root):
    """Only the default level is lowered to CLEW_LOG_LEVEL."""
    root = bare_root()
    root.setLevel(logging.ERROR)
    integration.install(kit.signals)
    root.warning("x")
    assert kit.lines == []


def test_a_line_of_httpx_s_own_has_no_query_and_no_password(kit, bare_root):
    """What httpx itself logs of a request keeps neither query string nor credentials of its URL."""
    bare_root()
    undo = integration.install(kit.signals)
    form = 'HTTP Request: %s %s "%s %d %s"'
    url = httpx.URL("http://ann:secret@shop/orders?token=t-1")
    logging.getLogger("httpx").info(form, "GET", url, "HTTP/1.1", 200, "OK")
    undo()
    (line,) = map(json.loads, kit.lines)
    assert line["event"] == 'HTTP Request: GET http://shop/orders "HTTP/1.1 200 OK"'
    assert [record.body.string_value for record in kit.decoded_logs()] == [line["event"]]


@pytest.mark.parametrize(
    ("logger", "form", "arguments", "event"),
    [
        (
            "uvicorn.access",
            '%s - "%s %s HTTP/%s" %d',
            ("h:1", "GET", "/a?t=1", "1.1", 200),
            'h:1 - "GET /a HTTP/1.1" 200',
        ),
        ("uvicorn.error", '%s - "WebSocket %s" [accepted]', ("h:1", "/a?t=1"), 'h:1 - "WebSocket /a" [accepted]'),
        ("werkzeug", '%s - - [] "%s" %s -', ("h", "GET /a?t=1 HTTP/1.1", "200"), 'h - - [] "GET /a HTTP/1.1" 200 -'),
    ],
)
def test_a_line_of_a_server_s_own_has_no_query(make_kit, bare_root, logger, form, arguments, event):
    """A server's own access lines, printed where the kit's are off, keep the path and no query."""
    kit = make_kit(access_log=False)
    bare_root()
    undo = integration.install(kit.signals)
    logging.getLogger(logger).info(form, *arguments)
    undo()
    assert [json.loads(line)["event"] for line in kit.lines] == [event]


def test_wrong_arguments_lose_no_record(kit, bare_root):
    """A message whose arguments do not fit is logged as it is."""
    root = bare_root()
    integration.install(kit.signals)
    root.error("%d of %d", 1)
    assert json.loads(kit.lines[0])["event"] == "%d of %d"


def test_an_exception_in_a_handler_has_the_trace(kit, bare_root, plain):
    """`logging.exception` inside a span carries exception and trace."""
    bare_root()
    integration.install(kit.signals)
    with kit.signals.tracers.get_tracer("t").start_as_current_span("s") as span:
        try:
            {}["k"]
        except KeyError:
            logging.getLogger("x").exception("failed")
    (record,) = kit.decoded_logs()
    assert record.trace_id == span.trace_id
    assert plain(record.attributes)["exception.type"] == "KeyError"


def test_uvicorn_s_lines_join_and_its_access_lines_stop(kit, bare_root):
    """uvicorn's own lines are printed by the kit; its access lines are silent while the kit writes its own."""
    from uvicorn.logging import DefaultFormatter

    bare_root()
    error, access = logging.getLogger("uvicorn.error"), logging.getLogger("uvicorn.access")
    parent = logging.getLogger("uvicorn")
    own = logging.StreamHandler(sys.stderr)
    own.setFormatter(DefaultFormatter("%(message)s"))
    parent.addHandler(own)
    parent.propagate = False
    undo = integration.install(kit.signals)
    error.warning("started")
    access.warning("GET / 200")
    assert [json.loads(line)["event"] for line in kit.lines] == ["started"]
    assert len(kit.records) == 1
    undo()
    assert (parent.handlers, parent.propagate, access.filters) == ([own], False, [])
    parent.removeHandler(own)
    parent.propagate = True
