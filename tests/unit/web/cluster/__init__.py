"""Tests of `web.cluster`."""
