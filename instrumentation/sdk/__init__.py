"""The one place that imports the OpenTelemetry SDK."""
