"""Keep spans, logs and metric points in SQLite segments, and find them again."""
