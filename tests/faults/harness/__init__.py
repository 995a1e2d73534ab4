"""What every row of the fault table runs on: a service under load, what it sends to, and what must hold."""
