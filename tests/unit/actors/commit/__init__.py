"""Tests of `actors.commit`."""
