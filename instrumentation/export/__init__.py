"""Bytes to the wire."""
