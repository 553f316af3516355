"""Tests of the work-order service, on real servers."""
