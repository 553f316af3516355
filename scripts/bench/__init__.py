"""Measure the service beside its baselines: `python -m scripts.bench <command> --help`."""
