"""Library calls to records, one file for each library."""
