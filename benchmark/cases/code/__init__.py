"""Code that a model has written, run where it can do no harm, to see whether it passes its tests.

In goes a program, out comes whether it ran to its end. Knows neither models nor rows."""
