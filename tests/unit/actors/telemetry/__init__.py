"""Tests of `actors.telemetry`."""
