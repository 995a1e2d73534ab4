"""A trace as Tempo's API v1 writes it: protobuf's JSON, with base64 ids and 64 bit numbers as text.

Written by hand because protobuf's own MessageToDict, the oracle of its test, takes about ten times as long.
"""

import base64
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from clew_console.search.trace import FoundSpan

if TYPE_CHECKING:
    from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

Json = dict[str, Any]

_SPECIAL_FLOATS = {math.inf: "Infinity", -math.inf: "-Infinity"}


def trace_json(spans: Iterable[FoundSpan]) -> Json:
    """Return `{"batches": [{"resource", "scopeSpans": [{"scope", "spans"}]}]}`."""
    batches = dict[tuple[bytes, str], Json]()
    scopes = dict[tuple[object, ...], Json]()
    for found in spans:
        resource = (found.resource.encoded, found.resource.schema_url)
        batch = batches.get(resource) or batches.setdefault(resource, _batch(found))
        scope = (*resource, found.scope.SerializeToString(), found.scope_schema_url)
        if scope not in scopes:
            scopes[scope] = _scope_spans(found)
            batch["scopeSpans"].append(scopes[scope])
        scopes[scope]["spans"].append(span_json(found.span))
    return {"batches": list(batches.values())}


def _batch(found: FoundSpan) -> Json:
    resource = Resource.FromString(found.resource.encoded)
    encoded = _present(
        attributes=attributes_json(resource.attributes), droppedAttributesCount=resource.dropped_attributes_count
    )
    return {"resource": encoded, "scopeSpans": []} | _present(schemaUrl=found.resource.schema_url)


def _scope_spans(found: FoundSpan) -> Json:
    return {"scope": _scope(found.scope), "spans": []} | _present(schemaUrl=found.scope_schema_url)


def _scope(scope: InstrumentationScope) -> Json:
    return _present(
        name=scope.name,
        version=scope.version,
        attributes=attributes_json(scope.attributes),
        droppedAttributesCount=scope.dropped_attributes_count,
    )


def span_json(span: Span) -> Json:
    """Return one span; fields at their default are left out, as protobuf does."""
    return _present(
        traceId=_base64(span.trace_id),
        spanId=_base64(span.span_id),
        traceState=span.trace_state,
        parentSpanId=_base64(span.parent_span_id),
        flags=span.flags,
        name=span.name,
        kind=_enum(Span.SpanKind, span.kind),
        startTimeUnixNano=_int64(span.start_time_unix_nano),
        endTimeUnixNano=_int64(span.end_time_unix_nano),
        attributes=attributes_json(span.attributes),
        droppedAttributesCount=span.dropped_attributes_count,
        events=[_event(event) for event in span.events],
        droppedEventsCount=span.dropped_events_count,
        links=[_link(link) for link in span.links],
        droppedLinksCount=span.dropped_links_count,
    ) | ({"status": _status(span.status)} if span.HasField("status") else {})


def _event(event: Span.Event) -> Json:
    return _present(
        timeUnixNano=_int64(event.time_unix_nano),
        name=event.name,
        attributes=attributes_json(event.attributes),
        droppedAttributesCount=event.dropped_attributes_count,
    )


def _link(link: Span.Link) -> Json:
    return _present(
        traceId=_base64(link.trace_id),
        spanId=_base64(link.span_id),
        traceState=link.trace_state,
        attributes=attributes_json(link.attributes),
        droppedAttributesCount=link.dropped_attributes_count,
        flags=link.flags,
    )


def _status(status: Status) -> Json:
    return _present(message=status.message, code=_enum(Status.StatusCode, status.code))


def attributes_json(attributes: Sequence[KeyValue] | Any) -> list[Json]:
    """Return the attributes as a list of key and value."""
    return [
        _present(key=one.key) | ({"value": _value(one.value)} if one.HasField("value") else {}) for one in attributes
    ]


def _value(value: AnyValue) -> Json:
    match value.WhichOneof("value"):
        case "string_value":
            return {"stringValue": value.string_value}
        case "int_value":
            return {"intValue": str(value.int_value)}
        case "bool_value":
            return {"boolValue": value.bool_value}
        case "double_value":
            return {"doubleValue": _double(value.double_value)}
        case "bytes_value":
            return {"bytesValue": _base64(value.bytes_value)}
        case "array_value":
            return {"arrayValue": _present(values=[_value(item) for item in value.array_value.values])}
        case "kvlist_value":
            return {"kvlistValue": _present(values=attributes_json(value.kvlist_value.values))}
        case _:
            return {}


def _double(number: float) -> float | str:
    return "NaN" if math.isnan(number) else _SPECIAL_FLOATS.get(number, number)


def _present(**fields: Any) -> Json:
    return {name: value for name, value in fields.items() if value}


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _int64(value: int) -> str:
    return str(value) if value else ""


def _enum(kinds: "EnumTypeWrapper[Any]", number: int) -> str | int:
    """Return the name, and the number where a newer OTLP has a name this one does not know."""
    return (kinds.Name(number) if number in kinds.values() else number) if number else 0
