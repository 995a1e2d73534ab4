"""Scenarios: faults of the running shop, each with the alerts that must come of it."""
