"""Tests of `web.wire`."""
