"""Many models on many machines: which model goes to which node of a Ray cluster, and the rows that come of it.

In come models, cells (a workload in a study) and a results folder, out go rows, each by `run_job`. This room knows
nothing of pytest, of how a model is run or of what a row holds. Modules that nodes do not need import no Ray.
"""
