"""What an HTTP answer means, by the OTLP specification."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsPartialSuccess, ExportLogsServiceResponse

from instrumentation.export.partial_success import partial_success
from instrumentation.export.retry import judge, retry_after_seconds
from instrumentation.signals.delivery import Verdict


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.DELIVERED),
        (202, Verdict.DELIVERED),
        (301, Verdict.FAILED),
        (400, Verdict.FAILED),
        (401, Verdict.FAILED),
        (404, Verdict.FAILED),
        (408, Verdict.FAILED),
        (413, Verdict.TOO_LARGE),
        (429, Verdict.RETRYABLE),
        (500, Verdict.FAILED),
        (502, Verdict.RETRYABLE),
        (503, Verdict.RETRYABLE),
        (504, Verdict.RETRYABLE),
    ],
)
def test_status(status, verdict):
    """Only 429, 502, 503 and 504 are tried again; 413 asks for less at a time; every 2xx is delivery."""
    assert judge(status, b"", None).verdict is verdict


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("Mon, 23 Nov 2026 12:00:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0.0),
        ("Monday, 23-Nov-26 12:00:30 GMT", 30.0),
        ("Mon Nov 23 12:00:30 2026", 30.0),
        ("Mon, 23 Nov 2026 12:00:30 CET", None),
        ("Mon, 23 Nov 2026 25:00:30 GMT", None),
        ("Mon, 23 Foo 2026 12:00:30 GMT", None),
        ("Mon, 23 Nov 2026 12:00 GMT", None),
        ("soon", None),
        ("-1", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after(text, seconds):
    """`Retry-After` is a number of seconds or a date; anything else says nothing."""
    assert retry_after_seconds(text, datetime(2026, 11, 23, 12, tzinfo=UTC)) == seconds


@given(st.integers(-(2**63), 2**63 - 1), st.text(max_size=50))
def test_partial_success_is_read_as_protobuf_writes_it(rejected, message):
    """Refused records and reason are read as written; a negative number counts as none."""
    partial = ExportLogsPartialSuccess(rejected_log_records=rejected, error_message=message)
    body = ExportLogsServiceResponse(partial_success=partial).SerializeToString()
    assert partial_success(body) == (max(rejected, 0), message)


@given(st.binary(max_size=200))
def test_no_answer_raises(body):
    """Whatever bytes a receiver answers, reading them gives a number and a text."""
    rejected, message = partial_success(body)
    assert rejected >= 0
    assert isinstance(message, str)
