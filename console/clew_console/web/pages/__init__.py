"""What each page shows: read the store, return a template's name and values. One page per file."""
