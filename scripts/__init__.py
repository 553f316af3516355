"""Commands around the service, each with --help."""
