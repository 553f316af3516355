"""The service's log: one JSON object a line, written off the event loop."""
