"""The engines: one file each, which runs a model over prompts or texts and hands every step to a sink.

In come a model, token ids and limits; out go steps. It must not know what becomes of them.
"""
