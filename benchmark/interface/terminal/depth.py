"""Depth in a terminal: layers as bars, and texts coloured by the layer at which each token was there first."""

from collections.abc import Iterable, Sequence

from benchmark.interface.terminal.letters import Letters
from benchmark.messages import printable

_SHADES = ((228, 16), (113, 16), (36, 16), (31, 231), (60, 231), (53, 231))
"""Of a text, from the shallowest exits to the deepest: background and letters, of the 256 colours of a terminal."""
_RESET = "\x1b[0m"
_LONGEST_BAR = 50


def bars(layers: Iterable[tuple[int, float, float]], columns: int, letters: Letters) -> list[str]:
    """Return a line a layer: its number, a bar of its agreement, and both shares in percent.

    Args:
        layers: number, agreement and share of exits of each.
        columns: of the terminal.
        letters: what it can show.
    """
    length = max(min(columns - 26, _LONGEST_BAR), 4)
    head = f"layer  {'has the token':<{length + 5}}  exits"
    lines = [
        f"{number:5d}  {letters.bar(agreement, length, track=False)} {100 * agreement:3.0f} %  {100 * exits:3.0f} %"
        for number, agreement, exits in layers
    ]
    return [head, *lines]


def coloured(tokens: Sequence[tuple[str, int]], num_layers: int) -> str:
    """Return a text in which each token has the colour of its exit."""
    parts = []
    for text, exit_layer in tokens:
        background, front = _SHADES[_shade(exit_layer, num_layers)]
        # A line that ends inside a colour would be filled with it to the edge.
        lines = [f"\x1b[48;5;{background};38;5;{front}m{line}{_RESET}" if line else "" for line in _lines(text)]
        parts.append("\n".join(lines))
    return "".join(parts)


def legend(num_layers: int) -> str:
    """Return which colour is which layers."""
    parts = []
    for shade, (background, front) in enumerate(_SHADES):
        numbers = [layer for layer in range(1, num_layers + 1) if _shade(layer, num_layers) == shade]
        if numbers:
            name = f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}"
            parts.append(f"\x1b[48;5;{background};38;5;{front}m {name} {_RESET}")
    return f"layers {''.join(parts)}"


def numbered(tokens: Sequence[tuple[str, int]]) -> str:
    """Return a text with the exit in brackets before each token whose exit is another than that of the one before."""
    parts, before = [], 0
    for text, exit_layer in tokens:
        parts.append(f"[{exit_layer}]" * (exit_layer != before) + "\n".join(_lines(text)))
        before = exit_layer
    return "".join(parts)


def _shade(exit_layer: int, num_layers: int) -> int:
    return (exit_layer - 1) * len(_SHADES) // max(num_layers, 1)


def _lines(text: str) -> list[str]:
    return [printable(line) for line in text.split("\n")]
