"""The files of the leaderboard: Markdown, tables and a page whose pictures are drawn by plotly.js."""
