"""The subsets of TraceQL and LogQL: parse, compile to SQL, match."""
