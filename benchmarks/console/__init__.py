"""The console under load, beside its peer."""
