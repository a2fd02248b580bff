"""Pictures of rows: marks as plain data first, then drawn twice from the same marks, as SVG and for plotly.js.

In go the lines of the leaderboard, its rows and the findings; out come pictures. Knows no page and no file."""
