CREATE TABLE log (
    id          INTEGER PRIMARY KEY,
    time_ns     INTEGER NOT NULL, -- since 1970, UTC; the observed time where the record has none of its own
    resource_id INTEGER NOT NULL,
    level       TEXT NOT NULL,    -- detected_level as Loki names it: trace debug info warn error fatal unknown
    body        TEXT NOT NULL,
    trace_id    BLOB,
    span_id     BLOB,
    request_id  TEXT,
    attributes  TEXT NOT NULL     -- JSON object, label name -> text, ready to be a stream's structured metadata
);

CREATE INDEX log_by_time ON log (time_ns);
CREATE INDEX log_by_trace ON log (trace_id) WHERE trace_id IS NOT NULL;
CREATE INDEX log_by_request ON log (request_id) WHERE request_id IS NOT NULL;
