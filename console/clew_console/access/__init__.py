"""Who may ask: by the name the console was called, the page that asks, and a token."""
