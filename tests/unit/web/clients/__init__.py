"""Tests of `web.clients`."""
