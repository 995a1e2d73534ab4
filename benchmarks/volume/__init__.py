"""How much telemetry one order is: on the wire, in CPU of services and backends, and on disk."""
