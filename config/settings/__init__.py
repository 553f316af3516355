"""Settings: read from the environment once, checked, described."""
