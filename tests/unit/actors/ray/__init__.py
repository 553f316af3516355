"""Tests of `actors.ray`."""
