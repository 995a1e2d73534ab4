-- Who emitted: one row per distinct Resource. Spans, logs and metric series refer to it, so its attributes are stored once.
CREATE TABLE resource (
    id         INTEGER PRIMARY KEY,
    digest     BLOB NOT NULL UNIQUE, -- of encoded and schema_url; a shorter unique key than the bytes themselves
    service    TEXT NOT NULL,        -- service.name, or unknown_service
    schema_url TEXT NOT NULL,
    encoded    BLOB NOT NULL         -- opentelemetry.proto.resource.v1.Resource
);

CREATE TABLE scope (
    id         INTEGER PRIMARY KEY,
    digest     BLOB NOT NULL UNIQUE,
    schema_url TEXT NOT NULL,
    encoded    BLOB NOT NULL -- opentelemetry.proto.common.v1.InstrumentationScope
);
