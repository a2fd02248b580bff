"""Answers that are some words, against the rules of SQuAD's official evaluation written out once more."""

import random

from benchmark.metrics.answers.words import CONTAINED_ANSWER, EXACT_ANSWER

WORDS = ("The", "a", "An", "theatre", "cat", "Cat's", "U.S.", "3,000", "end.", "—", "“quoted”", "...", "naïve", "a-b")


def official(text: str) -> str:
    """lower, remove punctuation, remove articles, fix white space: the four steps, letter by letter."""
    lowered = text.lower()
    punctuation = set("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
    kept = "".join(letter for letter in lowered if letter not in punctuation)
    parts, word = [], ""
    for letter in kept + " ":
        if letter.isalnum() or letter == "_":
            word += letter
            continue
        parts.append(" " if word in ("a", "an", "the") else word)
        parts.append(letter)
        word = ""
    return " ".join("".join(parts).split())


def pairs(count: int = 200) -> list[tuple[str, list[str]]]:
    """Answers, some of which hold a reference, and one to three references for each."""
    rng = random.Random(1)
    found = []
    for _ in range(count):
        references = [" ".join(rng.choices(WORDS, k=rng.randint(1, 3))) for _ in range(rng.randint(1, 3))]
        answer = [*rng.choices(WORDS, k=rng.randint(0, 4)), rng.choice(references).upper(), *rng.choices(WORDS, k=1)]
        found.append((" ".join(rng.choice((answer, answer[-2:-1], answer[:1]))), references))
    return found


def test_exact_answers_are_those_of_the_official_rules():
    scores = [EXACT_ANSWER.score(answer, references) for answer, references in pairs()]
    assert scores == [
        float(any(official(answer) == official(reference) for reference in references))
        for answer, references in pairs()
    ]
    assert 0 < sum(scores) < len(scores)


def test_contained_answers_are_runs_of_whole_words():
    scores = [CONTAINED_ANSWER.score(answer, references) for answer, references in pairs()]
    assert scores == [
        float(any(official(ref) and f" {official(ref)} " in f" {official(answer)} " for ref in references))
        for answer, references in pairs()
    ]
    assert 0 < sum(scores) < len(scores)


def test_a_part_of_a_word_is_not_contained():
    assert CONTAINED_ANSWER.score("It is a catalogue.", ["cat"]) == 0
    assert CONTAINED_ANSWER.score("It is the cat, I think.", ["a cat"]) == 1


def test_an_empty_answer_and_an_empty_reference_are_worth_nothing():
    for scorer in (EXACT_ANSWER, CONTAINED_ANSWER):
        assert scorer.score("", ["the"]) == scorer.score(" \n", ["the"]) == 0
    assert CONTAINED_ANSWER.score("the cat", ["the", "..."]) == 0
