"""What measuring costs: the oracle against plain decoding and against the obvious way, on one machine in one run."""
