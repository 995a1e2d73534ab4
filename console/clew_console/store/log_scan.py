"""Cut the records of a log export request into columns, as span_scan.py does with spans."""

import struct
import time
from collections.abc import Callable

from clew_console.store.log_block import LogBuilder, LogHeadKey
from clew_console.store.span_scan import MAX_TIME_NS, new_pair
from clew_console.store.wire import field_end, messages, varint

_TIME = struct.Struct("<Q").unpack_from


def scan_logs(
    data: bytes,
    emitter: Callable[[bytes, bytes, bytes, bytes], tuple[int, int]],
    builder: LogBuilder,
    close: Callable[[], LogBuilder],
) -> None:
    """Add every record of an encoded ExportLogsServiceRequest to the builder; arguments as in `scan_spans`."""
    now_ns = time.time_ns()
    for number, at, end in messages(data, 0, len(data)):
        if number != 1:
            continue
        resource, schema_url, scopes = b"", b"", list[tuple[int, int]]()
        for inner, begin, stop in messages(data, at, end):
            if inner == 1:
                resource = data[begin:stop]
            elif inner == 2:
                scopes.append((begin, stop))
            elif inner == 3:
                schema_url = data[begin:stop]
        for begin, stop in scopes:
            scope, scope_url, records = b"", b"", list[tuple[int, int]]()
            for inner, first, last in messages(data, begin, stop):
                if inner == 2:
                    records.append((first, last))
                elif inner == 1:
                    scope = data[first:last]
                elif inner == 3:
                    scope_url = data[first:last]
            ids = emitter(resource, schema_url, scope, scope_url)
            for first, last in records:
                _scan_record(data, first, last, ids, builder, now_ns)
                if builder.is_full():
                    builder = close()


def _scan_record(data: bytes, at: int, end: int, ids: tuple[int, int], builder: LogBuilder, now_ns: int) -> None:
    trace_id = span_id = body = fields = b""
    time_ns = observed_ns = count = 0
    pairs = builder.pairs
    while at < end:
        begin = at
        tag, at = varint(data, at)
        number = tag >> 3
        if number == 6 and tag & 7 == 2:  # attributes
            size, at = varint(data, at)
            pair = data[at : at + size]
            known = pairs.get(pair)
            builder.attributes.append(new_pair(pairs, pair) if known is None else known)
            at += size
            count += 1
        elif number in {1, 11} and tag & 7 == 1:
            if number == 1:
                time_ns = _TIME(data, at)[0]
            else:
                observed_ns = _TIME(data, at)[0]
            at += 8
        elif number in {5, 9, 10} and tag & 7 == 2:
            size, at = varint(data, at)
            value, at = data[at : at + size], at + size
            if number == 5:
                body = value
            elif number == 9:
                trace_id = value if size == 16 else b""
            else:
                span_id = value if size == 8 else b""
        else:
            at = field_end(data, at, tag & 7)
            fields += data[begin:at]
    heads, traces, bodies = builder.heads, builder.traces, builder.bodies
    builder.head.append(heads.setdefault(LogHeadKey(*ids, fields), len(heads)))
    builder.trace.append(traces.setdefault(trace_id, len(traces)))
    builder.body.append(bodies.setdefault(body, len(bodies)))
    builder.times.append(min(time_ns or observed_ns or now_ns, MAX_TIME_NS))
    builder.span_ids.append(span_id)
    builder.attribute_counts.append(count)
