CREATE TABLE series (
    id          INTEGER PRIMARY KEY,
    digest      BLOB NOT NULL UNIQUE, -- of all that follows
    resource_id INTEGER NOT NULL,
    name        TEXT NOT NULL,
    unit        TEXT NOT NULL,
    type        TEXT NOT NULL,        -- gauge sum histogram exponential_histogram summary
    temporality INTEGER NOT NULL,     -- AggregationTemporality of OTLP; 0 where there is none
    is_monotonic INTEGER NOT NULL,    -- 1 for a sum that only grows
    attributes  TEXT NOT NULL         -- JSON object
);

CREATE INDEX series_by_name ON series (name);

CREATE TABLE point (
    series_id INTEGER NOT NULL,
    time_ns   INTEGER NOT NULL,
    start_ns  INTEGER NOT NULL,
    value     REAL,             -- of a gauge or sum; NULL for a point without one
    count     INTEGER,          -- of a histogram or summary, as are the next two
    sum       REAL,
    buckets   TEXT,             -- JSON {"bounds":[],"counts":[]}; for other shapes their own OTLP field names
    exemplars TEXT              -- JSON array of {time_ns, value, trace_id, span_id, attributes}, NULL without any
);

CREATE INDEX point_by_series ON point (series_id, time_ns);
