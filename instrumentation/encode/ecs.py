"""Render a log record as a line of the Elastic Common Schema, for Elasticsearch and Kibana.

Sources: https://www.elastic.co/docs/reference/ecs/ecs-field-reference and https://www.elastic.co/docs/reference/ecs/logging/intro.
Dotted keys are what its logging specification has; `@timestamp`, `log.level` and `message` come first, as it asks.
"""

from collections.abc import Mapping
from json.encoder import encode_basestring_ascii as quote

from instrumentation import semconv
from instrumentation.encode import json_line
from instrumentation.encode.otlp import MAX_VALUE_CHARACTERS

VERSION = "8.11.0"
"""`ecs.version`: the one that Elastic's own logging libraries write."""

FIELDS = {
    semconv.EXCEPTION_TYPE: "error.type",
    semconv.EXCEPTION_MESSAGE: "error.message",
    semconv.EXCEPTION_STACKTRACE: "error.stack_trace",
    semconv.CODE_FUNCTION_NAME: "log.origin.function",
    semconv.CODE_LINE_NUMBER: "log.origin.file.line",
    semconv.CODE_FILE_PATH: "log.origin.file.name",
    semconv.EVENT_NAME: "event.action",
    semconv.HTTP_REQUEST_METHOD: "http.request.method",
    semconv.HTTP_RESPONSE_STATUS_CODE: "http.response.status_code",
    semconv.URL_PATH: "url.path",
    semconv.URL_SCHEME: "url.scheme",
    semconv.USER_AGENT_ORIGINAL: "user_agent.original",
    semconv.SERVER_ADDRESS: "server.address",
    semconv.SERVER_PORT: "server.port",
}
"""Attribute, and the field that ECS has for it. All others become `labels.NAME`, the place for a service's own keys."""
DURATION_SECONDS, DURATION_FIELD = "duration_seconds", "event.duration"

_SERVICE = {
    "service.name": "service.name",
    "service.version": "service.version",
    "service.instance.id": "service.node.name",
    "deployment.environment.name": "service.environment",
    "host.name": "host.name",
    "process.pid": "process.pid",
}


def identity(resource: Mapping[str, object]) -> str:
    """Render what is the same on each line of a process."""
    pairs = {
        "ecs.version": VERSION,
        **{ours: resource[theirs] for theirs, ours in _SERVICE.items() if theirs in resource},
    }
    pairs["event.dataset"] = f"{resource.get('service.name', 'unknown')}.log"
    return "".join([f", {quote(key)}: {json_line.value(item)}" for key, item in pairs.items()])


def fields(attributes: Mapping[str, object]) -> str:
    """Render attributes: each by ECS's name, or as a label."""
    return "".join([_field(key, item) for key, item in attributes.items()])


def _field(key: str, item: object) -> str:
    if key in FIELDS:
        return f", {quote(FIELDS[key])}: {json_line.value(item)}"
    if key == DURATION_SECONDS and isinstance(item, (int, float)):
        return f", {quote(DURATION_FIELD)}: {round(item * 1e9)}"
    return f", {quote('labels.' + key.replace('.', '_'))}: {_label(item)}"


def _label(item: object) -> str:
    """Render a label: ECS allows single values there, so a list or mapping becomes its JSON text."""
    rendered = json_line.value(item)
    return quote(rendered[:MAX_VALUE_CHARACTERS]) if rendered[:1] in "{[" else rendered


def ids(trace_id: bytes, span_id: bytes, request_id: str) -> str:
    """Render the identity of the span that a record belongs to."""
    rendered = f', "trace.id": "{trace_id.hex()}", "span.id": "{span_id.hex()}"'
    return f'{rendered}, "http.request.id": "{request_id}"' if request_id else rendered


def line(time_ns: int, level: str, event: str, logger: str, identity: str, ids: str, tail: str) -> bytes:
    """Join the parts into a line, line break included."""
    return (
        f'{{"@timestamp": "{json_line.timestamp(time_ns)}", "log.level": {quote(level)}, "message": {quote(event)}'
        f'{identity}, "log.logger": {quote(logger)}{ids}{tail}}}\n'
    ).encode("ascii")
