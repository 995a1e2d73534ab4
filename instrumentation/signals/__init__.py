"""The records: spans, logs, metrics."""
