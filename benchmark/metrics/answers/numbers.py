"""Answers that are a number: the last one of the text counts, as it does for GSM8K."""

import re
from collections.abc import Sequence
from decimal import Decimal

from benchmark.metrics.answers.scorer import Scorer

_AFTER = "####"
"""Stands in front of the result in the solutions of GSM8K."""
# A minus belongs to the number unless it stands behind what something can be taken from.
_SIGN = r"(?:(?<![\w)\]%.])(?P<minus>[-\u2212])[$€£¥]?)?"
_NUMBER = re.compile(_SIGN + r"(?P<digits>[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?|\.[0-9]+)")


def last_number(text: str) -> Decimal | None:
    """Return the last number of a text, or None; commas between thousands are dropped, and so is what stands around.

    Args:
        text: such as "That makes $1,234.50.", whose number is 1234.50.
    """
    found = list(_NUMBER.finditer(text))
    if not found:
        return None
    digits = found[-1]["digits"].replace(",", "")
    return Decimal(f"-{digits}" if found[-1]["minus"] else digits)


def reference_number(reference: str) -> Decimal:
    """Return the number of a reference, which may be a whole solution of GSM8K with the result behind ####.

    Raises:
        ValueError: there is none in it.
    """
    number = last_number(reference.rpartition(_AFTER)[2])
    if number is None:
        raise ValueError(f"no number in the reference {reference[:80]!r}")
    return number


def _same_number(answer: str, references: Sequence[str]) -> float:
    """Whether the last number of the answer is that of a reference, as decimals: 18, 18.0 and $18. are the same."""
    wanted = {reference_number(reference) for reference in references}
    return float(last_number(answer) in wanted)


EXACT_NUMBER = Scorer("exact_number", _same_number)
