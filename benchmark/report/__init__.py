"""From many rows to what a person reads: findings and the leaderboard.

In goes a folder of results, out come text, tables and a page. Knows no model and writes no row."""
