"""Whether a folder of results is what it says, from its rows and their tokens alone.

In goes a folder that a stranger filled, out come verdicts. Follows no link and loads no model."""
