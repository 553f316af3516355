"""One node's part of orders that are cut into shards, each with an owner of its own."""
