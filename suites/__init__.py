"""The suites: a file an experiment, with the claims that hold of its columns on any model."""
