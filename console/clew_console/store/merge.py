"""Insert blocks, and make one large block of many small ones.

Each transaction writes what has come as a block, however small, so that it can be found at once. Small ones compress
badly and each costs a search a look, so 16 of them become one; at 20,000 spans a second there are none.
"""

import sqlite3

from clew_console.store.log_block import LogBlock, LogBuilder
from clew_console.store.span_block import SpanBlock, SpanBuilder
from clew_console.store.span_scan import MAX_TIME_NS
from clew_console.store.term import make_filter, trace_hash

SMALL = 1024
"""As in the partial indexes of schema/spans.sql and schema/logs.sql."""
MAX_SMALL_BLOCKS = 16


def insert_spans(connection: sqlite3.Connection, builder: SpanBuilder) -> None:
    """Insert the block with what finds it."""
    encoded = builder.encode()
    longest_ns = max((one for one in builder.durations if one <= MAX_TIME_NS), default=0)
    row = (len(builder), longest_ns, make_filter(builder.pairs), encoded)
    table = "span_block (start_ns, end_ns, spans, longest_ns, filter, encoded)"
    _insert(connection, table, "trace", (min(builder.starts), max(builder.starts)), row, list(builder.traces))


def insert_logs(connection: sqlite3.Connection, builder: LogBuilder) -> None:
    """Insert the block with what finds it."""
    row = (len(builder), make_filter(builder.pairs), builder.encode())
    times = min(builder.times), max(builder.times)
    traces = [trace_id for trace_id in builder.traces if trace_id]
    _insert(connection, "log_block (start_ns, end_ns, records, filter, encoded)", "log_trace", times, row, traces)


def _insert(
    connection: sqlite3.Connection,
    table: str,
    index: str,
    times: tuple[int, int],
    row: tuple[int | bytes, ...],
    traces: list[bytes],
) -> None:
    places = ", ".join("?" * (len(row) + 2))
    insert = f"INSERT INTO {table} VALUES ({places})"  # noqa: S608 - constants
    block_id = connection.execute(insert, (*(min(one, MAX_TIME_NS) for one in times), *row)).lastrowid
    hashes = sorted({trace_hash(trace_id) for trace_id in traces})
    connection.executemany(f"INSERT INTO {index} VALUES (?, {block_id})", ((one,) for one in hashes))  # noqa: S608


def merge_small(connection: sqlite3.Connection) -> None:
    """Merge the small blocks of a kind once there are 16 of them."""
    for found in (_small(connection, "span_block", "spans"),):
        _merge_spans(connection, found)
    _merge_logs(connection, _small(connection, "log_block", "records"))


def _small(connection: sqlite3.Connection, table: str, count: str) -> list[int]:
    found = [row[0] for row in connection.execute(f"SELECT id FROM {table} WHERE {count} < {SMALL} ORDER BY id")]  # noqa: S608
    return found if len(found) >= MAX_SMALL_BLOCKS else []


def _merge_spans(connection: sqlite3.Connection, block_ids: list[int]) -> None:
    builder = SpanBuilder()
    for block_id in block_ids:
        block = SpanBlock(_take(connection, "span_block", block_id))
        hashes = {trace_hash(block.trace_ids[at : at + 16]) for at in range(0, len(block.trace_ids), 16)}
        _forget(connection, "trace", block_id, hashes)
        if builder.head and (len(builder) + len(block) > 2 * SMALL or len(builder.pairs) + len(block.pairs) > 60_000):
            insert_spans(connection, _ordered(builder))
            builder = SpanBuilder()
        block.copy_to(builder)
    if builder.head:
        insert_spans(connection, _ordered(builder))


def _ordered(builder: SpanBuilder) -> SpanBuilder:
    builder.sorted_pairs()
    return builder


def _merge_logs(connection: sqlite3.Connection, block_ids: list[int]) -> None:
    builder = LogBuilder()
    for block_id in block_ids:
        block = LogBlock(_take(connection, "log_block", block_id))
        _forget(connection, "log_trace", block_id, {trace_hash(one) for one in block.trace_ids if one})
        if builder.head and (len(builder) + len(block) > 2 * SMALL or len(builder.pairs) + len(block.pairs) > 60_000):
            insert_logs(connection, builder)
            builder = LogBuilder()
        block.copy_to(builder)
    if builder.head:
        insert_logs(connection, builder)


def _take(connection: sqlite3.Connection, table: str, block_id: int) -> bytes:
    encoded = connection.execute(f"SELECT encoded FROM {table} WHERE id = ?", (block_id,)).fetchone()[0]  # noqa: S608
    connection.execute(f"DELETE FROM {table} WHERE id = ?", (block_id,))  # noqa: S608
    return encoded


def _forget(connection: sqlite3.Connection, index: str, block_id: int, hashes: set[int]) -> None:
    delete = f"DELETE FROM {index} WHERE hash = ? AND block_id = {block_id}"  # noqa: S608
    connection.executemany(delete, ((one,) for one in hashes))
