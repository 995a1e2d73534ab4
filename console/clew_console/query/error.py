"""What is wrong with a query, in words its author can act on."""


class QueryError(ValueError):
    """The query is not in the supported subset; the message says where, and what is supported."""
