"""The step in the name of a training checkpoint, and the name of its model."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.inputs.checkpoints import Checkpoint, step_in


@pytest.mark.parametrize(
    ("revision", "step"),
    [
        ("step1000", 1000),
        ("step0", 0),
        ("Step-1000", 1000),
        ("step1000-tokens4B", 1000),
        ("stage1-step150-tokens1B", 150),
        ("stage2-ingredient1-step11000-tokens47B", 11000),
        ("step-001000-2BT", 1000),
        ("checkpoint-500", 500),
        ("run2/checkpoint-500", 500),
        ("iter_0001000", 1000),
        ("iteration_0001000", 1000),
        ("global_step123", 123),
        ("epoch=3-step=1000", 1000),
        ("checkpoint-500/step500", 500),
    ],
)
def test_the_step_is_the_number_after_a_word_that_trainers_use(revision: str, step: int):
    assert step_in(revision) == step


@pytest.mark.parametrize(
    "revision",
    [
        "main",
        "v1.0",
        "a1b2c3d",
        "1000",
        "epoch-3",
        "tokens4B",
        "footstep12",
        pytest.param("step-50k", id="a number that runs on"),
        pytest.param("step5e3", id="a number in another notation"),
        pytest.param("step", id="no number"),
        pytest.param("step1-checkpoint2", id="two that differ"),
        pytest.param("step1234567890123", id="a number that no training reaches"),
        pytest.param("step٣", id="a digit of another script"),
    ],
)
def test_a_name_that_does_not_tell_the_step(revision: str):
    assert step_in(revision) is None


@given(
    step=st.integers(0, 10**12 - 1),
    word=st.sampled_from(["step", "checkpoint-", "iter_", "global_step"]),
    zeros=st.integers(0, 3),
)
def test_every_step_is_read_back_from_its_name(step: int, word: str, zeros: int):
    number = f"{step:0{min(zeros + len(str(step)), 12)}}"
    assert step_in(f"{word}{number}") == step


def test_a_step_that_is_given_wins_over_the_name():
    assert Checkpoint(revision="step1000", step=7).training_step == 7


@pytest.mark.parametrize(
    ("revision", "name"),
    [
        ("step1000", "toy@step1000"),
        ("step1000-tokens4B", "toy@step1000-tokens4B"),
        ("refs/pr/3", "toy@refs-pr-3"),
        ("epoch=3-step=10", "toy@epoch-3-step-10"),
        ("my run/checkpoint-5", "toy@my-run-checkpoint-5"),
    ],
)
def test_the_model_is_named_after_the_entry_and_the_checkpoint(revision: str, name: str):
    assert Checkpoint(revision=revision).name("toy") == name


@given(st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="/\\."), min_size=1, max_size=255))
def test_a_name_has_no_separator_and_no_space_whatever_the_revision(revision: str):
    assert re.fullmatch(r"[A-Za-z0-9._+@-]+", Checkpoint(revision=revision).name("toy"))
