"""The commands of `exitbench`, but for what all of them share (`benchmark.interface.cli`).

Each module has `add`, which declares its commands; what a command does is imported when it is called.
"""
