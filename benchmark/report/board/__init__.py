"""From a folder of results to lines in their order: which rows count, their means over workloads, who ranks where.

Everything that shows the leaderboard, in words, tables or pictures, reads it from here."""
