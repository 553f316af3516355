"""Tests of `actors.node`."""
