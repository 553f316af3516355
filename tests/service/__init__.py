"""The HTTP service from end to end."""
