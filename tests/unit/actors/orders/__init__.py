"""Tests of `actors.orders`."""
