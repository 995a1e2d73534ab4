"""OTLP attribute values as Python values, labels and JSON."""

import base64
from collections.abc import Iterable
from typing import TypeAlias

import orjson
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

Value: TypeAlias = "str | bool | int | float | bytes | list[Value] | dict[str, Value] | None"

_SCALARS = frozenset({"string_value", "bool_value", "int_value", "double_value", "bytes_value"})


def python_value(value: AnyValue) -> Value:
    """Return the value as Python has it. Depth is bounded by protobuf's own limit of 100 messages."""
    which = value.WhichOneof("value")
    if which in _SCALARS:
        return getattr(value, which)
    if which == "array_value":
        return [python_value(item) for item in value.array_value.values]
    if which == "kvlist_value":
        return python_attributes(value.kvlist_value.values)
    return None


def python_attributes(attributes: Iterable[KeyValue]) -> dict[str, Value]:
    """Return the attributes as a dict; of a repeated key the last value stays."""
    return {attribute.key: python_value(attribute.value) for attribute in attributes}


def json_text(value: Value) -> str:
    """Encode the value as JSON; bytes become base64, NaN and infinities null."""
    return orjson.dumps(value, default=_bytes_text).decode()


def plain_text(value: Value) -> str:
    """Return the text a label or a log line shows for the value."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return _bytes_text(value)
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(value)
    return json_text(value)


def _bytes_text(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} is not an attribute value")
