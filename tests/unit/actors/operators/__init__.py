"""Tests of `actors.operators`."""
