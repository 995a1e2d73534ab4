-- Spans lie in blocks of up to 2048, column by column (span_block.py); the rows here find the blocks.
CREATE TABLE span_block (
    id       INTEGER PRIMARY KEY AUTOINCREMENT, -- an id once used never names another block: readers remember blocks
    start_ns INTEGER NOT NULL, -- earliest and latest start of a span in it, since 1970, UTC
    end_ns   INTEGER NOT NULL,
    spans    INTEGER NOT NULL,
    longest_ns INTEGER NOT NULL, -- the longest duration in it
    filter   BLOB NOT NULL,    -- which attributes it may hold (term.py)
    encoded  BLOB NOT NULL
);

CREATE INDEX span_block_by_end ON span_block (end_ns);
CREATE INDEX span_block_small ON span_block (id) WHERE spans < 1024; -- to be merged

-- Which blocks hold a span of a trace. The hash is the second half of the trace id.
CREATE TABLE trace (
    hash     INTEGER NOT NULL,
    block_id INTEGER NOT NULL,
    PRIMARY KEY (hash, block_id)
) WITHOUT ROWID;

-- Requests (SERVER and CONSUMER spans) per minute, so that the overview never scans spans.
CREATE TABLE operation (
    id      INTEGER PRIMARY KEY,
    service TEXT NOT NULL,
    name    TEXT NOT NULL,
    UNIQUE (service, name)
);

CREATE TABLE operation_minute (
    minute       INTEGER NOT NULL, -- since 1970
    operation_id INTEGER NOT NULL,
    bucket       INTEGER NOT NULL, -- of the duration (latency.py)
    requests     INTEGER NOT NULL,
    errors       INTEGER NOT NULL, -- those of them with status ERROR
    PRIMARY KEY (minute, operation_id, bucket)
) WITHOUT ROWID;

CREATE TABLE service_minute (
    minute  INTEGER NOT NULL,
    service TEXT NOT NULL,
    spans   INTEGER NOT NULL,
    PRIMARY KEY (minute, service)
) WITHOUT ROWID;

-- Calls between services, databases, queues and other hosts.
CREATE TABLE edge (
    id          INTEGER PRIMARY KEY,
    source_kind TEXT NOT NULL, -- service database queue external
    source      TEXT NOT NULL,
    target_kind TEXT NOT NULL,
    target      TEXT NOT NULL,
    UNIQUE (source_kind, source, target_kind, target)
);

CREATE TABLE edge_minute (
    minute   INTEGER NOT NULL,
    edge_id  INTEGER NOT NULL,
    bucket   INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    errors   INTEGER NOT NULL,
    PRIMARY KEY (minute, edge_id, bucket)
) WITHOUT ROWID;
