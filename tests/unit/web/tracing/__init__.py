"""Tests of `web.tracing`."""
