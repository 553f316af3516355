"""Callers of the service, in Python and in Node."""
