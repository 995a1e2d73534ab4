"""The signal contract: every name in every query must be one that the shop really emits.

`place` finds the queries, `reading` reads the names out of them, `emitted` knows what a run emitted, `check` compares.
"""
