"""Pure functions from values and records to wire bytes."""
