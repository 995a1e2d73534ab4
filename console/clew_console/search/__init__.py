"""Answer questions from the segments: traces, logs, metrics, the overview. Reads only."""
