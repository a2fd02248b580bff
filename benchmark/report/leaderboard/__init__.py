"""Ranks, tables and a page from a folder of rows; the pictures are drawn by plotly.js."""
