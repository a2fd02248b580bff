"""Colours by name, on light and on dark paper, told apart by people who see no red or green as well.

Hues are those of Okabe and Ito; the lightness of some is changed, so that each stands out from its paper.
"""

LIGHT = {
    "paper": "#ffffff",
    "ink": "#1c1e21",
    "quiet": "#5d646d",
    "line": "#d5d9de",
    "1": "#0072b2",
    "2": "#d55e00",
    "3": "#009e73",
    "4": "#b04a8f",
    "5": "#574400",
    "6": "#22226b",
    **{
        f"heat-{step}": colour
        for step, colour in enumerate(
            ("#f2f6fa", "#dbe8f3", "#bfd7ea", "#9cc3e0", "#74abd3", "#2f78b0", "#1f659c", "#105089", "#073a63")
        )
    },
}
"""On light paper, and where nobody says which."""
DARK = {
    "paper": "#14171a",
    "ink": "#e6e8ea",
    "quiet": "#a2a9b1",
    "line": "#363c43",
    "1": "#56b4e9",
    "2": "#d98200",
    "3": "#00a37a",
    "4": "#eab8d8",
    "5": "#f0e442",
    "6": "#6f6fff",
    **{
        f"heat-{step}": colour
        for step, colour in enumerate(
            ("#1b2229", "#1c2f40", "#1d3d57", "#1f4d70", "#275f8a", "#4a8cbd", "#659fcf", "#89bbe4", "#b5d9f5")
        )
    },
}
"""On dark paper."""
MARKS = ("1", "2", "3", "4", "5", "6")
"""Those of families, gates and lines."""
STEPS = 9
"""Shades of a heatmap."""


def css() -> str:
    """Return the rules that give every colour to a page, by what its reader prefers."""

    def declared(colours: dict[str, str]) -> str:
        return " ".join(f"--c-{name}: {colour};" for name, colour in colours.items())

    return f":root {{ {declared(LIGHT)} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {declared(DARK)} }} }}\n"


def variable(name: str) -> str:
    """Return a colour as a style has it: the page's, and the light one where there is no page."""
    return f"var(--c-{name}, {LIGHT[name]})"


def heat(level: float) -> tuple[str, str]:
    """Return the names of the shade for a level from 0 to 1, and of the colour of what is written on it."""
    step = min(STEPS - 1, max(0, int(level * STEPS)))
    return f"heat-{step}", "ink" if step < 5 else "paper"
