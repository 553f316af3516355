"""What goes over HTTP: bodies, queries, replies, texts and errors."""
