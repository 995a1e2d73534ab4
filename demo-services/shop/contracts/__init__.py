"""What the services agree on: gRPC stubs generated from `protos/`, and the events they exchange.

The only place where two services meet. `python -m shop.contracts.generate` writes the stubs again.
"""
