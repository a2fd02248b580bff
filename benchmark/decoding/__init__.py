"""Engines that run a model over prompts and hand each step to a sink, and the sink that makes a trace of them.

In go token ids, out comes a trace. Knows neither entries, workloads nor rows."""
