"""Tables of named columns, written as text for a terminal, as Markdown, as LaTeX, or as CSV. Data is never markup."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from benchmark.messages import printable, shortened, width
from benchmark.report import csv_text

Format = Literal["text", "md", "latex", "csv"]
FORMATS: tuple[str, ...] = get_args(Format)
Cell = str | float | int | None

_MARKUP = re.compile(r"[\\`*{}\[\]<>|~&$@#]|:(?=//)|(?i:www\.)|(?<![^\W_])_|_(?![^\W_])")
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}
_LEAST_NAME = 10


@dataclass(frozen=True)
class Head:
    """The head of a column."""

    title: str
    digits: int | None = None
    """Digits behind the point; None for texts, which stand to the left."""
    signed: bool = False
    """Whether numbers have a sign, being differences."""
    rank: int = 0
    """Columns of a higher rank go first where a terminal is narrow; of rank 0 none goes."""

    def shown(self, cell: Cell) -> str:
        """Return a cell for people to read: empty where nothing is known."""
        if cell is None:
            return ""
        if isinstance(cell, str) or self.digits is None:
            return printable(cell)
        return f"{cell:{'+' if self.signed else ''}.{self.digits}f}"


@dataclass(frozen=True)
class Table:
    """Rows under heads."""

    title: str
    heads: tuple[Head, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def without_empty(self) -> "Table":
        """Return the table without columns in which nothing is known."""
        return self._only([n for n in range(len(self.heads)) if any(row[n] not in (None, "") for row in self.rows)])

    def fitting(self, columns: int) -> tuple["Table", list[str]]:
        """Return the table with as many columns as fit, and the titles of those that do not.

        A long name is cut in the middle before a column goes.
        """
        kept, dropped = list(range(len(self.heads))), []
        while sum(self._only(kept).widths(columns)) + 2 * (len(kept) - 1) > columns and any(
            self.heads[number].rank for number in kept
        ):
            worst = max(kept, key=lambda number: (self.heads[number].rank, number))
            kept.remove(worst)
            dropped.append(worst)
        return self._only(kept), [self.heads[number].title for number in sorted(dropped)]

    def _only(self, numbers: Sequence[int]) -> "Table":
        rows = tuple(tuple(row[number] for number in numbers) for row in self.rows)
        return replace(self, heads=tuple(self.heads[number] for number in numbers), rows=rows)

    def _cells(self) -> list[list[str]]:
        lines = [[head.shown(cell) for head, cell in zip(self.heads, row, strict=True)] for row in self.rows]
        return [[printable(head.title) for head in self.heads], *lines]

    def widths(self, columns: int | None = None) -> list[int]:
        """Return how wide each column is; of a terminal, a name takes a third at most."""
        widths = [max(map(width, column)) for column in zip(*self._cells(), strict=True)]
        most = max(columns // 3, _LEAST_NAME) if columns is not None else None
        return [
            min(wide, most) if most is not None and head.digits is None and not head.rank else wide
            for head, wide in zip(self.heads, widths, strict=True)
        ]


def written(table: Table, form: Format, columns: int | None = None) -> str:
    """Return a table in a form.

    Args:
        table: to write.
        form: as what.
        columns: of the terminal, for text: columns that do not fit are left out, and named below; None for all.
    """
    if form == "text":
        return as_text(table, columns)
    return {"md": as_markdown, "latex": as_latex, "csv": as_csv}[form](table)


def as_text(table: Table, columns: int | None = None) -> str:
    """Return a table for a terminal: texts to the left, numbers to the right, its title above."""
    dropped: list[str] = []
    if columns is not None:
        table, dropped = table.fitting(columns)
    cells = table._cells()
    widths = table.widths()
    if columns is not None and sum(widths) + 2 * (len(widths) - 1) > columns:
        widths = table.widths(columns)
    lines = [_line(table, row, widths) for row in cells]
    title = [] if not table.title else [printable(table.title)]
    below = [f"(more in a wider terminal: {printable(', '.join(dropped))})"] if dropped else []
    return "\n".join([*title, *lines, *below])


def as_markdown(table: Table) -> str:
    """Return a table of GitHub's Markdown, its title as a paragraph above."""
    head, *rows = ([escape(cell) for cell in line] for line in table._cells())
    texts = [number for number, column in enumerate(table.heads) if column.digits is None]
    title = [escape(table.title), ""] if table.title else []
    return "\n".join([*title, markdown_table(head, rows, left=texts)])


def escape(text: str) -> str:
    """A text from anywhere, so that it stands in a table as it is: no markup, no link, no HTML, no line break."""
    return printable(_MARKUP.sub(lambda found: f"&#{ord(found[0][0])};{found[0][1:]}", " ".join(text.split())))


def markdown_table(heading: Sequence[str], cells: Sequence[Sequence[str]], left: Collection[int]) -> str:
    """Return a table of cells that are Markdown: columns of texts stand to the left, the others, numbers, to the right.

    Args:
        heading: of each column.
        cells: of each line.
        left: numbers of the columns of texts.
    """
    sides = ["---" if column in left else "---:" for column in range(len(heading))]
    return "\n".join(f"| {' | '.join(line)} |" for line in [heading, sides, *cells])


def as_latex(table: Table) -> str:
    """Return a `tabular` of LaTeX with the rules of booktabs, its title as a comment."""
    head, *rows = (" & ".join(map(_latex, line)) + r" \\" for line in table._cells())
    kinds = "".join("l" if column.digits is None else "r" for column in table.heads)
    title = [f"% {printable(table.title)}"] if table.title else []
    begin = [rf"\begin{{tabular}}{{{kinds}}}", r"\toprule", head, r"\midrule"]
    return "\n".join([*title, *begin, *rows, r"\bottomrule", r"\end{tabular}"])


def as_csv(table: Table) -> str:
    """Return a table as CSV, numbers in full."""
    lines = [[head.title for head in table.heads], *table.rows]
    shown = [[printable(cell) if isinstance(cell, str) else cell for cell in line] for line in lines]
    return csv_text.of_lines(shown).decode().rstrip("\n")


def _line(table: Table, cells: Sequence[str], widths: Sequence[int]) -> str:
    parts = []
    for head, cell, room in zip(table.heads, cells, widths, strict=True):
        cell = shortened(cell, room)
        space = " " * (room - width(cell))
        parts.append(cell + space if head.digits is None else space + cell)
    return "  ".join(parts).rstrip()


def _latex(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)
