"""Orders: takes orders and leads each one to its end by a saga."""
