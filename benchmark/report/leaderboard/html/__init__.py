"""Pieces of the page as markup: texts of anybody come in, and HTML comes out in which they are texts."""
