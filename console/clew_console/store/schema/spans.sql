-- Spans are kept twice, each time small: exact and compressed in chunks, to give back what came; as narrow rows, to find it.
CREATE TABLE chunk (
    id          INTEGER PRIMARY KEY,
    resource_id INTEGER NOT NULL,
    encoded     BLOB NOT NULL -- zlib of a ResourceSpans without its resource, at most 512 spans
);

CREATE TABLE name (
    id    INTEGER PRIMARY KEY,
    value TEXT NOT NULL UNIQUE
);

CREATE TABLE span (
    id          INTEGER PRIMARY KEY,
    trace_id    BLOB NOT NULL,
    span_id     BLOB NOT NULL,
    chunk_id    INTEGER NOT NULL,
    position    INTEGER NOT NULL, -- of the span in its chunk, over all scopes
    resource_id INTEGER NOT NULL,
    name_id     INTEGER NOT NULL,
    kind        INTEGER NOT NULL, -- SpanKind of OTLP
    status      INTEGER NOT NULL, -- StatusCode of OTLP
    is_root     INTEGER NOT NULL, -- 1 when the span has no parent
    start_ns    INTEGER NOT NULL, -- since 1970, UTC
    duration_ns INTEGER NOT NULL  -- 0 when the end is missing or before the start
);

CREATE INDEX span_by_trace ON span (trace_id);
CREATE INDEX span_by_start ON span (start_ns);

-- Which chunks hold a span with this attribute, or with this key at all: an attribute search decodes only those.
CREATE TABLE term (
    hash     INTEGER NOT NULL,
    chunk_id INTEGER NOT NULL,
    PRIMARY KEY (hash, chunk_id)
) WITHOUT ROWID;

-- Counts per minute and service, so that the overview never scans spans.
CREATE TABLE minute (
    minute   INTEGER NOT NULL, -- since 1970
    service  TEXT NOT NULL,
    spans    INTEGER NOT NULL,
    requests INTEGER NOT NULL, -- SERVER and CONSUMER spans
    errors   INTEGER NOT NULL, -- those of them with status ERROR
    busy_ns  INTEGER NOT NULL, -- sum of the requests' durations
    PRIMARY KEY (minute, service)
) WITHOUT ROWID;
