"""Services with a log set-up of their own: each record exactly once at stdout and stderr, in the file and in OTLP."""

import re
import sys
from pathlib import Path

import pytest

OWN_CONSOLE = """
import logging.config
OWN = {
    "version": 1, "disable_existing_loggers": False,
    "formatters": {"own": {"format": "own %(levelname)s %(message)s trace=%(trace_id)s"}},
    "handlers": {
        "out": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "own"},
        "file": {"class": "logging.FileHandler", "filename": "own.log", "formatter": "own"},
    },
    "root": {"level": "INFO", "handlers": ["out", "file"]},
}
"""
LOGGER_OF_ITS_OWN = OWN_CONSOLE.replace(
    '"root": {"level": "INFO", "handlers": ["out", "file"]}',
    '"loggers": {"app": {"level": "INFO", "handlers": ["out", "file"], "propagate": False}}',
)
ON = "from instrumentation import get_logger, instrument, span\ntelemetry = instrument(service_name='own')\n"
LOG = """
import logging
with span("work") as current:
    logging.getLogger("app.part").warning("MARK-one")
    logging.getLogger("app").warning("MARK-two", extra={"request_id": "mine"})
trace_id = current.trace_id.hex()
print("TRACE", trace_id, flush=True)
"""
APPLY = "import logging.config; logging.config.dictConfig(OWN)\n"
FILE = "logging.getLogger().addHandler(logging.FileHandler('own.log'))\n"
RICH = """
import logging
from rich.console import Console
from rich.logging import RichHandler
import sys
logging.basicConfig(level="INFO", format="own %(message)s trace=%(trace_id)s", force=True,
    handlers=[RichHandler(console=Console(file=sys.stdout, width=200))])
"""
INTERCEPT = """
import logging, sys
from loguru import logger as loguru
loguru.remove()
loguru.add(sys.stdout, format="own {message}")
class InterceptHandler(logging.Handler):
    def emit(self, record):
        loguru.opt(depth=6, exception=record.exc_info).log(record.levelname, record.getMessage())
logging.basicConfig(handlers=[InterceptHandler()], level=0, force=True)
"""
PROPAGATE = """
import logging
from loguru import logger as loguru
class PropagateHandler(logging.Handler):
    def emit(self, record):
        logging.getLogger(record.name).handle(record)
loguru.remove()
loguru.add(PropagateHandler(), format="{message}")
"""
LOGURU_LOG = """
with span("work") as current:
    loguru.warning("MARK-one")
    loguru.warning("MARK-two")
print("TRACE", current.trace_id.hex(), flush=True)
"""
STRUCTLOG = """
import structlog, sys
structlog.configure(processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer()],
    logger_factory=structlog.PrintLoggerFactory(file=sys.stdout))
"""
STRUCTLOG_STDLIB = """
import logging, structlog, sys
structlog.configure(
    processors=[structlog.stdlib.add_log_level, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(), wrapper_class=structlog.stdlib.BoundLogger)
handler = logging.StreamHandler(sys.stdout)
handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=structlog.processors.JSONRenderer()))
logging.getLogger().addHandler(handler)
logging.getLogger().setLevel("INFO")
"""
STRUCTLOG_LOG = """
import structlog
with span("work") as current:
    structlog.get_logger("app").warning("MARK-one", k=1)
    structlog.get_logger("app").warning("MARK-two", k=2)
print("TRACE", current.trace_id.hex(), flush=True)
"""
PLAIN = "import logging\nlogging.getLogger('app').addHandler(logging.StreamHandler())\n"
BASIC = (
    "import logging, sys\nlogging.basicConfig(stream=sys.stdout, level='INFO', format='own %(message)s', force=True)\n"
)

# Name: (program, whether the file is written, whether the ids must be on the printed lines)
PROGRAMS = {
    "nothing": (ON + LOG, False, True),
    "dictConfig before": (OWN_CONSOLE + APPLY + ON + LOG, True, True),
    "dictConfig after": (OWN_CONSOLE + ON + APPLY + LOG, True, True),
    "a logger that does not propagate, before": (LOGGER_OF_ITS_OWN + APPLY + ON + LOG, True, True),
    "a logger that does not propagate, after": (LOGGER_OF_ITS_OWN + ON + APPLY + LOG, True, True),
    "basicConfig(force) before": (BASIC + ON + LOG, False, False),
    "basicConfig(force) after": (ON + BASIC + LOG, False, False),
    "a plain handler at a logger": (PLAIN + ON + LOG, False, True),
    "a plain handler at a logger, after": (ON + PLAIN + LOG, False, True),
    "a log file before": ("import logging\n" + FILE + ON + LOG, True, True),
    "a log file after": (ON + "import logging\n" + FILE + LOG, True, True),
    "rich before": (RICH + ON + LOG, False, True),
    "rich after": (ON + RICH + LOG, False, True),
    "loguru takes logging in": (ON + INTERCEPT + LOG, False, False),
    "loguru hands over to logging": (ON + PROPAGATE + LOGURU_LOG, False, True),
    "structlog before": (STRUCTLOG + ON + STRUCTLOG_LOG, False, True),
    "structlog after": (ON + STRUCTLOG + STRUCTLOG_LOG, False, True),
    "structlog through logging, before": (STRUCTLOG_STDLIB + ON + STRUCTLOG_LOG, False, True),
    "structlog through logging, after": (ON + STRUCTLOG_STDLIB + STRUCTLOG_LOG, False, True),
    "handlers cleared after": (ON + "import logging\nlogging.getLogger().handlers.clear()\n" + LOG, False, True),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_record_once_everywhere(run, otlp_sink, tmp_path, name):
    """However the service sets logging up, before or after, a record is once printed, in its file and in OTLP."""
    program, has_file, has_ids = PROGRAMS[name]
    status, out, err = run(program)
    assert status == 0, err
    (trace_id,) = re.findall(r"TRACE (\w+)", out)
    for mark in ("MARK-one", "MARK-two"):
        printed = [line for line in (out + err).splitlines() if mark in line]
        assert len(printed) == 1, out + err
        assert not has_ids or trace_id in printed[0], printed
        records = [record for record in otlp_sink.records("logs") if mark in str(record.body)]
        assert [(record.body.string_value, record.trace_id.hex()) for record in records] == [(mark, trace_id)]
        if has_file:
            assert Path(tmp_path, "own.log").read_text().count(mark) == 1
    assert len([record for record in otlp_sink.records("logs") if "MARK" in str(record)]) == 2


def test_caplog_sees_each_record_once(run, otlp_sink):
    """pytest's caplog works in a suite whose application is instrumented."""
    code = """
    import logging
    from instrumentation import instrument
    telemetry = instrument(service_name="tested")
    def test_it(caplog):
        with caplog.at_level("INFO"):
            logging.getLogger("app").info("MARK")
        assert caplog.messages == ["MARK"]
        telemetry.flush()
    """
    status, out, _ = run(code, command=[sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "program.py"])
    assert status == 0, out
    assert [record.body.string_value for record in otlp_sink.records("logs")].count("MARK") == 1


SERVED = """
import logging, os
from fastapi import FastAPI
from instrumentation import instrument
app = FastAPI()
instrument(app, service_name="served")

@app.get("/fail")
async def fail():
    raise RuntimeError("MARK-failed")

@app.get("/ok")
async def ok():
    logging.getLogger("app").warning("MARK-ok")
"""


@pytest.mark.parametrize("server", ["uvicorn", "gunicorn"])
def test_a_server_s_own_lines(run, fetch, free_port, otlp_sink, server):
    """Lines of uvicorn and gunicorn are JSON like all others, once; that of a failed request has its trace."""
    import json
    import signal
    import urllib.error
    import urllib.request

    port = free_port()
    url = f"http://127.0.0.1:{port}"
    commands = {
        "uvicorn": [sys.executable, "-m", "uvicorn", "program:app", "--port", str(port)],
        "gunicorn": [sys.executable, "-m", "gunicorn", "program:app", "-k", "asgi", "-b", f"127.0.0.1:{port}"],
    }
    process = run(SERVED, wait=False, command=commands[server])
    fetch(f"{url}/ok")
    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.urlopen(f"{url}/fail", timeout=10)
    trace_id = answer.value.headers["traceresponse"][3:35]
    answer.value.close()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    lines = [json.loads(line) for line in out.splitlines()]
    events = [line["event"] for line in lines]
    assert events.count("MARK-ok") == events.count("GET /ok 200") > 0
    failed = [line for line in lines if "MARK-failed" in str(line)]
    # gunicorn logs a failure at debug level once the response is complete.
    assert {line.get("trace_id") for line in failed} == ({trace_id} if server == "uvicorn" else set()), err
    assert server != "uvicorn" or "Exception in ASGI application\n" in {line["event"] for line in failed}
    assert not [line for line in lines if line["logger"] == "uvicorn.access"]
    records = [record.body.string_value for record in otlp_sink.records("logs")]
    assert len(records) == len(lines)
