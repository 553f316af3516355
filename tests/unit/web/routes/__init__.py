"""Tests of `web.routes`."""
