"""Orders in shards that Ray starts, places and restarts; their leases say who owns them."""
