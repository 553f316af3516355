"""The operators' command line, `scripts/plan`."""
