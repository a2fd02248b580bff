"""The scorers that compare texts, by name. `pass_at_1`, which runs code, is in `benchmark.cases.code`."""

from benchmark.metrics.answers.numbers import EXACT_NUMBER
from benchmark.metrics.answers.overlap import BLEU, CHRF, ROUGE_L
from benchmark.metrics.answers.scorer import Scorer
from benchmark.metrics.answers.words import CONTAINED_ANSWER, EXACT_ANSWER

SCORERS: dict[str, Scorer] = {
    scorer.name: scorer for scorer in (EXACT_NUMBER, EXACT_ANSWER, CONTAINED_ANSWER, CHRF, BLEU, ROUGE_L)
}
