"""Tests of `actors.wire`."""
