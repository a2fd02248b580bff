"""Seconds: the same text written in several ways on this machine, each timed beside the others.

In go a loaded model, prompts and their texts with exits that are known; out come seconds and what was written. Knows no
rows: what the seconds mean is computed from the record they are put into.
"""
