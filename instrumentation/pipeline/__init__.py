"""Bound, count and batch records."""
