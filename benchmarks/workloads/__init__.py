"""What a worker does in a slice: each module has `opened(setup, address)`, which yields a coroutine function.

Called, it does some operations and returns how many.
"""
