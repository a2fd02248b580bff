"""What records of the studies beside the oracle cannot be like: texts with early exits, and what was timed."""
