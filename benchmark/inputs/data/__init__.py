"""Where prompts and texts come from: data files, sets of the hub by name, tasks of lm-evaluation-harness.

In go a workload or a file, out come plain records, prompts or texts, or one line that says what is wrong. A library is
imported when it is needed: that takes seconds, and one is an extra. Knows no model.
"""
