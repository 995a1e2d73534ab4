"""Patterns that keep services correct when any of them fails. Knows databases and messages, never an order.

A module is admitted when two services use it today.
"""
