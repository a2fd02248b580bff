"""What a scorer is: a name, and how good it finds an answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Scorer:
    """Says how good an answer is, held against one or several references."""

    name: str
    """As workloads and rows call it."""
    compare: Callable[[str, Sequence[str]], float]
    """Answer and references, at least one → 0 to 1; with several references, the best or all of them together."""

    def score(self, answer: str, references: Sequence[str]) -> float:
        """Return how good an answer is, from 0 to 1; one without any letter is worth nothing.

        Raises:
            ValueError: a reference is not of the kind that the scorer compares with.
        """
        if not answer.strip():
            return 0.0
        # Libraries round 1 up by a last digit.
        return min(max(float(self.compare(answer, references)), 0.0), 1.0)
