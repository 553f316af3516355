"""What operators see of the actors, and what they do with jobs."""
