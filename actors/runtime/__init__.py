"""Actors on the event loop: mailboxes, futures, batches, and the directory of live actors."""
