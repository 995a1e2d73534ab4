"""The console: receive OTLP, keep it in SQLite, search it, show it. No Docker, no account."""
