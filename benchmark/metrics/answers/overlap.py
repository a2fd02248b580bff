"""Answers that are texts, compared by what they share with references: the field's own implementations.

The libraries are imported when they are needed, because that takes longer than most of what this package does.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from benchmark.metrics.answers.scorer import Scorer


def _chrf(answer: str, references: Sequence[str]) -> float:
    """chrF2 of sacrebleu (Popović, 2015): F-score of runs of one to six letters."""
    from sacrebleu import sentence_chrf

    return float(sentence_chrf(answer, list(references)).score) / 100


def _bleu(answer: str, references: Sequence[str]) -> float:
    """BLEU of one sentence (Papineni et al., 2002), as sacrebleu smoothes it."""
    from sacrebleu import sentence_bleu

    return float(sentence_bleu(answer, list(references)).score) / 100


def _rouge_l(answer: str, references: Sequence[str]) -> float:
    """F-measure of the longest common subsequence of words (Lin, 2004), stemmed; of the reference that fits best."""
    return max(float(_rouge().score(reference, answer)["rougeL"].fmeasure) for reference in references)


@cache
def _rouge() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], use_stemmer=True)


CHRF = Scorer("chrf", _chrf)
BLEU = Scorer("bleu", _bleu)
ROUGE_L = Scorer("rouge_l", _rouge_l)
