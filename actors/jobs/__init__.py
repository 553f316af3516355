"""Waiting work that is durable before its caller is told that it is accepted."""
