"""Pure: from a trace, scoring settings and costs to columns.

In go arrays, out come numbers. Knows neither models, files nor rows."""
