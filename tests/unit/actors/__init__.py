"""Tests of the actors' runtime, and of what they do when store, lease or actors fail."""
