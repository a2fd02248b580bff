"""Answers that are some words, compared as SQuAD's official evaluation does: without case, punctuation and articles."""

import re
import string
from collections.abc import Sequence

from benchmark.metrics.answers.scorer import Scorer

_ARTICLE = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalised(text: str) -> list[str]:
    """Return the words of a text: in lower case, without ASCII punctuation, without a, an and the."""
    return _ARTICLE.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split()


def contains(words: Sequence[str], part: Sequence[str]) -> bool:
    """Whether some words, at least one, stand in others one behind the other."""
    width = len(part)
    return width > 0 and any(list(words[start : start + width]) == list(part) for start in range(len(words)))


def _exact(answer: str, references: Sequence[str]) -> float:
    """Whether the answer is a reference, word for word."""
    words = normalised(answer)
    return float(any(words == normalised(reference) for reference in references))


def _contained(answer: str, references: Sequence[str]) -> float:
    """Whether a reference stands in the answer, for models that answer in sentences."""
    words = normalised(answer)
    return float(any(contains(words, normalised(reference)) for reference in references))


EXACT_ANSWER = Scorer("exact_answer", _exact)
CONTAINED_ANSWER = Scorer("contained_answer", _contained)
