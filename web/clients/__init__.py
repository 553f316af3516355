"""For callers of the service: a folder for each language, to be copied or installed by itself."""
