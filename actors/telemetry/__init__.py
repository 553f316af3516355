"""What is measured: counters, histograms, recent events, and the port for spans."""
