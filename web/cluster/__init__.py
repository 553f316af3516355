"""Calls between nodes: forwarding to the owner, and what is known of the others."""
