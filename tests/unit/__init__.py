"""One module or pure function at a time, without I/O where there is none to test."""
