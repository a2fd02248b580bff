"""Workloads: one small declarative file each, data beside it.

Adding a workload is adding a `.yaml` file to this folder; `benchmark.inputs.workload_entry` says what may stand in it.
"""
