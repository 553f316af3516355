"""The commit: change sets of many orders in one round trip, and their way into the log."""
