"""Spans of calls: the port, and OpenTelemetry behind it."""
