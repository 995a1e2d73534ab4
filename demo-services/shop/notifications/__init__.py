"""Notifications: tells customers how their orders ended."""
