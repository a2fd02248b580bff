"""One case: a model on a workload in a setting, from a job to its row.

In go jobs, plain data; out come rows in a store. Joins the wing that needs a model with the one that does not.
Knows neither pytest nor argparse."""
