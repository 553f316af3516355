"""Tests of `actors.jobs`."""
