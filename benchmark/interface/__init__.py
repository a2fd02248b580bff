"""What a person types: pytest's plugin, the command `exitbench`, Python.

In go options and arguments, out come sessions, lines on a terminal and exit codes. Computes nothing."""
