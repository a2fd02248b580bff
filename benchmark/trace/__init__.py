"""The record: what the readout says of every generated token at every exit, and what a token costs.

From decoding come arrays, tokens × layers; out go arrays and Parquet files. Knows neither models nor rows."""
