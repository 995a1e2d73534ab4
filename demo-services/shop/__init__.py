"""A shop of five microservices on one kit: REST outside, gRPC inside, events between, a database each."""
