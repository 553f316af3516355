"""Services of several shards under load, of which one thing after the other fails."""
