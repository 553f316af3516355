"""Tests of `actors.shards`."""
