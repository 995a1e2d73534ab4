"""Programs that measure one thing and print it as JSON: numbers by name."""
