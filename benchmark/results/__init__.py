"""The store: rows and their tokens on disk, whole or absent, whoever else writes there.

In go rows and traces, out come rows, tables, schemas and verdicts. Knows no model and no torch."""
