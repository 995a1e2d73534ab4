"""Read OTLP/JSON, whose ids are hex where protobuf's own JSON has base64.

Source: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

import base64
from typing import Any

import orjson
from google.protobuf import json_format
from google.protobuf.message import Message

from clew_console.receive.body import BrokenBodyError

_ID_KEYS = frozenset({"traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"})


def parse_json(body: bytes, message: Message) -> None:
    """Fill the message from OTLP/JSON; unknown fields are ignored as the specification demands.

    Raises:
        BrokenBodyError: the body is not JSON, an id is not hex, or a field has the wrong type.
    """
    try:
        document = orjson.loads(body)
        _hex_to_base64(document)
        json_format.ParseDict(document, message, ignore_unknown_fields=True)
    except (ValueError, TypeError, AttributeError, RecursionError, json_format.ParseError) as error:
        raise BrokenBodyError(f"the body is not OTLP/JSON: {error}") from error


def _hex_to_base64(document: Any) -> None:
    """Rewrite the ids in place. Attribute names are values in OTLP/JSON, so these keys are ids wherever they stand."""
    pending: list[Any] = [document]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            for key in _ID_KEYS & node.keys():
                node[key] = _base64(key, node[key])
            pending.extend(node.values())
        elif isinstance(node, list):
            pending.extend(node)


def _base64(key: str, value: Any) -> str:
    try:
        return base64.b64encode(bytes.fromhex(value)).decode()
    except (ValueError, TypeError) as error:
        raise ValueError(f"{key} must be hex digits, not {str(value)[:40]!r}") from error
