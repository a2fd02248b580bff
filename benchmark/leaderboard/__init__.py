"""The leaderboard: tables and a page from a folder of results."""
