"""Values of options, from the text that a person types."""

from argparse import ArgumentTypeError

from benchmark.inputs.selection import Shard

_SEEDS = 2**32


def positive(text: str) -> int:
    """Return a whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"must be a whole number of at least 1, not '{text}'")
    return int(text)


def fraction(text: str) -> float:
    """Return a number between 0 and 1."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise ArgumentTypeError(f"must be a number between 0 and 1, not '{text}'")
    return number


def thresholds(text: str) -> tuple[float, ...]:
    """Return numbers between -1 and 1 that stand with commas between them."""
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = (2.0,)
    if not all(-1 <= number <= 1 for number in numbers):
        raise ArgumentTypeError(f"must be numbers between -1 and 1 with commas between them, not '{text}'")
    return numbers


def shard(text: str) -> Shard:
    """Return a share of so many."""
    number, _, of = text.partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise ArgumentTypeError(f"must be one of so many, from 1/4 to 4/4, not '{text}'")
    return Shard(int(number), int(of))


def sample(text: str) -> int | None:
    """Return a whole number from 1 on, or None for `all`."""
    return None if text == "all" else positive(text)


def seed(text: str) -> int:
    """Return a whole number that can be a seed."""
    if not text.isdecimal() or int(text) >= _SEEDS:
        raise ArgumentTypeError(f"must be a whole number from 0 to {_SEEDS - 1}, not '{text}'")
    return int(text)
