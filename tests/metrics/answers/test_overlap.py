"""Scores of texts, against the libraries called another way, and ROUGE-L against its definition."""

import random

import pytest
from nltk.stem.porter import PorterStemmer
from sacrebleu import metrics as corpus_level

from benchmark.metrics.answers.overlap import BLEU, CHRF, ROUGE_L
from benchmark.metrics.answers.scorers import SCORERS

WORDS = (
    "the",
    "cat",
    "sat",
    "on",
    "mat",
    "running",
    "runs",
    "ran",
    ",",
    ".",
    "exits",
    "skipped",
    "skipping",
    "Größe",
    "早い",
)


def pairs(count: int = 200) -> list[tuple[str, list[str]]]:
    rng = random.Random(2)
    found = []
    for _ in range(count):
        references = [" ".join(rng.choices(WORDS, k=rng.randint(4, 12))) for _ in range(rng.randint(1, 3))]
        words = rng.choice(references).split()
        found.append((" ".join(rng.choice(WORDS) if rng.random() < 0.4 else word for word in words), references))
    return found


def test_chrf_is_that_of_a_corpus_of_one_sentence():
    for answer, references in pairs():
        corpus = corpus_level.CHRF().corpus_score([answer], [[reference] for reference in references])
        assert CHRF.score(answer, references) == pytest.approx(corpus.score / 100, abs=1e-12)


def test_bleu_is_that_of_a_corpus_of_one_sentence():
    for answer, references in pairs():
        corpus = corpus_level.BLEU(effective_order=True).corpus_score(
            [answer], [[reference] for reference in references]
        )
        assert BLEU.score(answer, references) == pytest.approx(corpus.score / 100, abs=1e-12)


def test_rouge_l_is_twice_the_common_subsequence_over_both_lengths():
    for answer, references in pairs():
        expected = max(_f_measure(_stems(answer), _stems(reference)) for reference in references)
        assert ROUGE_L.score(answer, references) == pytest.approx(expected, abs=1e-12)


def _stems(text: str) -> list[str]:
    """Runs of ASCII letters and digits in lower case; those of more than three are stemmed."""
    words = "".join(letter if letter.isascii() and letter.isalnum() else " " for letter in text.lower()).split()
    return [PorterStemmer().stem(word) if len(word) > 3 else word for word in words]


def _f_measure(one: list[str], other: list[str]) -> float:
    longest = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, first in enumerate(one, start=1):
        for j, second in enumerate(other, start=1):
            same = longest[i - 1][j - 1] + 1
            longest[i][j] = same if first == second else max(longest[i - 1][j], longest[i][j - 1])
    return 2 * longest[-1][-1] / (len(one) + len(other)) if longest[-1][-1] else 0.0


@pytest.mark.parametrize("scorer", [CHRF, BLEU, ROUGE_L], ids=lambda scorer: scorer.name)
def test_a_text_is_as_good_as_itself_and_an_empty_one_worth_nothing(scorer):
    text = "Early exits skip the layers that say nothing new."
    assert scorer.score(text, ["something else", text]) == pytest.approx(1, abs=1e-12)
    assert scorer.score(text, [text]) <= 1
    assert scorer.score("", [text]) == scorer.score("\n", [text]) == 0


def test_each_is_listed_by_its_name():
    assert all(SCORERS[name].name == name for name in SCORERS)
    assert {"chrf", "bleu", "rouge_l"} <= set(SCORERS)
