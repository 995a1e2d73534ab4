"""Load: customers that never sleep: a steady stream of requests against the gateway."""
