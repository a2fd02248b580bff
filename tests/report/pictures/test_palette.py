"""Colours: told apart without seeing red or green, and seen on either paper."""

import re
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark.report.pictures.palette import DARK, LIGHT, MARKS, STEPS, css, heat

PAPERS = pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
# Machado, Oliveira and Fernandes (2009), severity 1.0.
_DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
)
_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])


def linear(code: str) -> NDArray[np.float64]:
    channels = np.array([int(code[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lab(channels: NDArray[np.float64]) -> NDArray[np.float64]:
    x, y, z = np.cbrt(_TO_XYZ @ channels / _WHITE)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def contrast(one: str, other: str) -> float:
    low, high = sorted(float(_TO_XYZ[1] @ linear(code)) for code in (one, other))
    return (high + 0.05) / (low + 0.05)


@PAPERS
def test_marks_are_told_apart_by_who_sees_no_green(colours: dict[str, str]):
    seen = {name: lab(np.clip(_DEUTERANOPIA @ linear(colours[name]), 0, 1)) for name in MARKS}
    nearest = min((float(np.linalg.norm(seen[one] - seen[other])), one, other) for one, other in combinations(MARKS, 2))
    assert nearest[0] > 20, nearest


@PAPERS
def test_marks_stand_out_from_the_paper_and_letters_more_so(colours: dict[str, str]):
    assert min(contrast(colours[name], colours["paper"]) for name in MARKS) >= 3
    assert min(contrast(colours[name], colours["paper"]) for name in ("ink", "quiet")) >= 4.5


@PAPERS
def test_what_is_written_in_a_cell_can_be_read(colours: dict[str, str]):
    for step in range(STEPS):
        shade, letters = heat((step + 0.5) / STEPS)
        assert contrast(colours[shade], colours[letters]) >= 4.5, step


def test_both_papers_have_the_same_names_and_no_colour_has_two():
    assert LIGHT.keys() == DARK.keys()
    assert len(set(LIGHT.values())) == len(LIGHT)
    assert set(re.findall(r"--c-([\w-]+):", css())) == LIGHT.keys()


@pytest.mark.parametrize("level", [-1.0, 0.0, 1.0, 2.0])
def test_every_level_has_a_shade(level: float):
    assert heat(level)[0] in LIGHT
