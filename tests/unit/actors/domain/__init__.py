"""Tests of `actors.domain`."""
