"""Whether a trace can be: its shapes, its texts, its sample and its signals, held against what its row says."""
