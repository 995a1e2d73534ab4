"""Runs as files: out of the store, and back into one."""
