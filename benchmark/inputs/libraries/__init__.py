"""Libraries that read data of their own: sets of the hub by name, tasks of lm-evaluation-harness.

In go workloads, out come records or prompts. Each library is imported when it is needed: that takes seconds, and one
of them is an extra."""
