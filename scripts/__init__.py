"""Command-line tools: each says what it does with --help."""
