"""Shards in a Ray cluster of several machines, all on this one; run where Ray is installed."""
