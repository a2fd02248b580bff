"""Tables for people who work in Python: from a trace to a DataFrame, a line a token, a prompt or a threshold; and
columns as statistics of means over tokens, which a paired comparison draws.

Pure, as all of metrics; apart, because pandas takes half a second to import and columns do not need it."""
