"""The HTTP service as its callers and operators meet it."""
