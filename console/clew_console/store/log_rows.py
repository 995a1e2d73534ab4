"""Log export requests as rows of a segment."""

import time
from collections.abc import Iterator

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ScopeLogs

from clew_console.store.identities import Identities
from clew_console.store.resource import label_name
from clew_console.store.span_rows import MAX_TIME_NS
from clew_console.store.value import json_text, plain_text, python_attributes, python_value

LEVELS = ("trace", "debug", "info", "warn", "error", "fatal")
"""Loki's values of detected_level in the order of OTLP's severity numbers, four numbers each."""

_LEVEL_OF_TEXT = {"warning": "warn", "err": "error", "critical": "fatal", "information": "info"}
_INSERT = (
    "INSERT INTO log (resource_id, time_ns, level, body, trace_id, span_id, request_id, attributes) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)


def write_logs(identities: Identities, request: ExportLogsServiceRequest) -> None:
    """Insert every record of the request."""
    for resource_logs in request.resource_logs:
        resource_id = identities.resource(resource_logs.resource, resource_logs.schema_url)
        for scope_logs in resource_logs.scope_logs:
            identities.connection.executemany(_INSERT, _rows(resource_id, scope_logs))


def _rows(resource_id: int, scope_logs: ScopeLogs) -> Iterator[tuple[object, ...]]:
    scope = {"scope_name": scope_logs.scope.name} if scope_logs.scope.name else {}
    for record in scope_logs.log_records:
        labels = scope | _labels(record)
        yield (
            resource_id,
            min(record.time_unix_nano or record.observed_time_unix_nano or time.time_ns(), MAX_TIME_NS),
            level(record),
            plain_text(python_value(record.body)),
            record.trace_id if len(record.trace_id) == 16 else None,
            record.span_id if len(record.span_id) == 8 else None,
            labels.get("request_id"),
            json_text(dict(labels)),
        )


def _labels(record: LogRecord) -> dict[str, str]:
    labels = {label_name(key): plain_text(value) for key, value in python_attributes(record.attributes).items()}
    if record.severity_number:
        labels["severity_number"] = str(record.severity_number)
    if record.severity_text:
        labels["severity_text"] = record.severity_text
    return labels


def level(record: LogRecord) -> str:
    """Return the record's level as Loki would detect it."""
    if 1 <= record.severity_number <= 24:
        return LEVELS[(record.severity_number - 1) // 4]
    text = record.severity_text.lower()
    text = _LEVEL_OF_TEXT.get(text, text)
    return text if text in LEVELS else "unknown"
