"""Tests of `actors.lease`."""
