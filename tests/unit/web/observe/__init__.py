"""Tests of `web.observe`."""
