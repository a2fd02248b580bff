"""Tables for people who work in Python: from a trace to a DataFrame, a line a token, a prompt or a threshold.

Pure, as all of metrics; apart, because pandas takes half a second to import and columns do not need it."""
