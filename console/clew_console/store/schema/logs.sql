-- Log records lie in blocks of up to 2048, column by column (log_block.py).
CREATE TABLE log_block (
    id       INTEGER PRIMARY KEY AUTOINCREMENT, -- an id once used never names another block: readers remember blocks
    start_ns INTEGER NOT NULL, -- earliest and latest time of a record in it; the observed time where it has none
    end_ns   INTEGER NOT NULL,
    records  INTEGER NOT NULL,
    filter   BLOB NOT NULL,
    encoded  BLOB NOT NULL
);

CREATE INDEX log_block_by_end ON log_block (end_ns);
CREATE INDEX log_block_small ON log_block (id) WHERE records < 1024;

CREATE TABLE log_trace (
    hash     INTEGER NOT NULL,
    block_id INTEGER NOT NULL,
    PRIMARY KEY (hash, block_id)
) WITHOUT ROWID;
