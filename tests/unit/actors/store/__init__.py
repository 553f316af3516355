"""Tests of `actors.runtime`."""
