"""Answers that are a number."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.metrics.answers.numbers import EXACT_NUMBER, last_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("The answer is 18.", "18"),
        ("She has 3 left, and then 1,234.50 dollars.", "1234.50"),
        ("So $1,000,000 it is", "1000000"),
        ("It fell by 25 %", "25"),
        ("Step 1: 16 - 3 - 4 = 9\n#### 18", "18"),
        ("**42**", "42"),
        ("5 - 8 = -3", "-3"),
        ("5-8", "8"),
        ("(5)-8", "8"),
        ("a loss of -$7.25!", "-7.25"),
        ("at −3 °C", "-3"),
        ("about .5", "0.5"),
        ("1,2", "2"),
        ("12,34", "34"),
        ("€1,2345", "2345"),
        ("\\boxed{17}", "17"),
    ],
)
def test_the_last_number_counts_whatever_stands_around_it(text: str, number: str):
    assert last_number(text) == Decimal(number)


@pytest.mark.parametrize("text", ["", "none", "$", "#### ", "-"])
def test_a_text_without_digits_has_none(text: str):
    assert last_number(text) is None
    assert EXACT_NUMBER.score(text, ["0"]) == 0


def test_numbers_are_compared_as_decimals():
    assert EXACT_NUMBER.score("18.00", ["18"]) == 1
    assert EXACT_NUMBER.score("0.1", ["0.10000000000000001"]) == 0
    assert EXACT_NUMBER.score("18 apples in 2 bags", ["18"]) == 0


def test_a_reference_may_be_a_whole_solution():
    solution = "She sells 16 - 3 - 4 = <<16-3-4=9>>9 eggs a day, and makes 9 * 2 = $<<9*2=18>>18.\n#### 18"
    assert EXACT_NUMBER.score("18", [solution]) == 1
    assert EXACT_NUMBER.score("9", [solution]) == 0


def test_one_of_several_references_is_enough():
    assert EXACT_NUMBER.score("It takes 90 minutes", ["1.5", "90"]) == 1


def test_a_reference_without_a_number_is_told():
    with pytest.raises(ValueError, match="no number in the reference 'many'"):
        EXACT_NUMBER.score("3", ["many"])


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**9), max_value=10**9))
def test_a_number_is_itself_with_commas_currency_and_a_full_stop(number: Decimal):
    sign = "-" if number < 0 else ""
    assert EXACT_NUMBER.score(f"In all: {sign}${abs(number):,}.", [str(number)]) == 1
    assert EXACT_NUMBER.score(f"In all: {sign}${abs(number):,}.", [str(number + 1)]) == 0
