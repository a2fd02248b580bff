"""The token lens: what every layer says at every token of a text, for people to see where a model is sure, and when.

A record has the ids of the tokens that layers say, not their texts. The text of an id is known where the model has
written that token somewhere in the records that are read here; any other id stands as `#1234`.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import InputError
from benchmark.report.board.lines import Line
from benchmark.report.board.rows import Entry
from benchmark.report.leaderboard.questions import Question, Questions
from benchmark.results.store import intact_tokens, read_trace
from benchmark.trace.parquet import read_arrays
from benchmark.trace.record import Trace

LENSES = 24
"""Lenses at most, so that the page stays small however many rows there are."""
TOKENS = 40
"""Tokens of a text at most."""
PROMPTS = 3
"""Prompts of a row at most."""
READ_FOR_WORDS = 48
"""Records that are read for the texts of tokens, at most."""


@dataclass(frozen=True)
class Lens:
    """One text of a row. T tokens of it are shown, of L layers each."""

    entry: Entry
    prompt: int
    """Place of the prompt in its workload, from 0."""
    question: Question
    tokens: list[str]
    """T: what each token adds to the text."""
    matches: NDArray[np.bool_]
    """T × L: whether the exit's token is the full model's."""
    said: list[list[str] | None]
    """T: the token of each layer; None at a token whose signals are not in the record."""
    signals: list[NDArray[np.float32] | None]
    """T: 3 × L, largest probability, margin to the second and entropy in nats; None likewise."""
    ranks: list[list[int] | None]
    """T: rank of the full model's token at each layer; None at a token that is not in the sample."""
    shortened: bool
    """Whether the text goes on."""

    @property
    def num_layers(self) -> int:
        """L."""
        return int(self.matches.shape[1])


def lenses(folder: Path, lines: Sequence[Line]) -> tuple[list[Lens], int]:
    """Return up to `LENSES` lenses, and the number of rows that were chosen but whose records cannot be read.

    The first prompt of a workload of every line, then of the next workload, then the second prompts, and so on, so
    that two models can be held against each other on one prompt.

    Args:
        folder: of results.
        lines: in the order in which they are preferred.
    """
    order = list(itertools.islice(_in_turn(lines), LENSES))
    by_line: dict[int, list[tuple[Entry, int]]] = defaultdict(list)
    for number, entry, place in order:
        by_line[number].append((entry, place))
    questions, made, unreadable = Questions(), {}, set()
    for number, some in by_line.items():
        cuts = []
        for entry, places in itertools.groupby(sorted(some, key=_file), key=lambda pair: pair[0]):
            try:
                trace = read_trace(folder / entry.file, entry.row)
            except InputError:
                unreadable.add(entry.file)
                continue
            prompts = np.unique(trace.prompt).tolist()
            cuts += [
                (entry, prompts[place], _cut(trace, prompts[place])) for _, place in places if place < len(prompts)
            ]
        words = _words(folder, lines[number], READ_FOR_WORDS // len(by_line))
        for entry, prompt, cut in cuts:
            made[entry.file, prompt] = _lens(entry, prompt, questions.of(entry.row, prompt), cut, words)
    return list(made.values()), len(unreadable)


def lens_data(lens: Lens, row: int) -> dict[str, Any]:
    """Return a lens in plain types, its numbers as short as they are shown.

    Args:
        lens: to be shown.
        row: the place of its row on the page.
    """
    words = sorted({word for said in lens.said if said for word in said})
    place = {word: number for number, word in enumerate(words)}
    return {
        "row": row,
        "prompt": lens.prompt,
        "question": lens.question.text,
        "missing": lens.question.missing,
        "layers": lens.num_layers,
        "tokens": lens.tokens,
        "matches": ["".join("01"[match] for match in token) for token in lens.matches.astype(int).tolist()],
        "words": words,
        "said": [said and [place[word] for word in said] for said in lens.said],
        # Hundredths of probabilities, tenths of nats.
        "signals": [
            None if some is None else np.rint(some * [[100], [100], [10]]).astype(int).tolist() for some in lens.signals
        ],
        "ranks": lens.ranks,
        "shortened": lens.shortened,
    }


def settled_from(matches: Sequence[bool]) -> int:
    """Return the shallowest layer from which on all match, from 1."""
    return len(matches) - next((n for n, match in enumerate(reversed(matches)) if not match), len(matches)) + 1


def state_of(matches: Sequence[bool], layer: int) -> str:
    """Return what a layer, counted from 1, says of a token: `settled`, `contradicted` later, or `other`."""
    if not matches[layer - 1]:
        return "other"
    return "settled" if layer >= settled_from(matches) else "contradicted"


def _in_turn(lines: Sequence[Line]) -> Iterator[tuple[int, Entry, int]]:
    """Yield the number of a line, one of its rows, and which of the row's prompts."""
    workloads = sorted({workload for line in lines for workload in line.counted})
    for place in range(PROMPTS):
        for workload in workloads:
            for number, line in enumerate(lines):
                if workload in line.counted:
                    yield number, line.counted[workload], place


def _file(pair: tuple[Entry, int]) -> Path:
    return pair[0].file


def _words(folder: Path, line: Line, most: int) -> dict[int, str]:
    """Return the text of each token that a model has written in some of its records."""
    found: dict[int, Counter[str]] = defaultdict(Counter)
    for entry in itertools.islice(line.counted.values(), most):
        try:
            path = intact_tokens(folder / entry.file, entry.row.token_records_sha256)
            arrays = read_arrays(path, ["target", "text", "written"])
        except InputError:
            continue
        token = arrays.get("written", arrays["target"])
        for number, text in zip(token.tolist(), arrays["text"].tolist(), strict=True):
            found[number][text] += 1
    return {number: texts.most_common(1)[0][0] for number, texts in found.items()}


@dataclass(frozen=True)
class _Cut:
    """The part of a record that is shown."""

    tokens: list[str]
    matches: NDArray[np.bool_]
    said: list[list[int] | None]
    signals: list[NDArray[np.float32] | None]
    ranks: list[list[int] | None]
    shortened: bool


def _cut(trace: Trace, prompt: int) -> _Cut:
    whole = np.flatnonzero(trace.prompt == prompt)
    shown = whole[:TOKENS]
    of_signals = np.cumsum(trace.signalled) - 1
    of_sample = np.cumsum(trace.sampled) - 1
    signals = np.stack([trace.max_prob, trace.prob_margin, trace.entropy], axis=1)
    return _Cut(
        tokens=trace.text[shown].tolist(),
        matches=trace.matches[shown],
        said=[trace.predictions[of_signals[at]].tolist() if trace.signalled[at] else None for at in shown],
        signals=[signals[of_signals[at]] if trace.signalled[at] else None for at in shown],
        ranks=[trace.rank[of_sample[at]].tolist() if trace.sampled[at] else None for at in shown],
        shortened=len(shown) < len(whole),
    )


def _lens(entry: Entry, prompt: int, question: Question, cut: _Cut, words: Mapping[int, str]) -> Lens:
    said = [None if ids is None else [words.get(token, f"#{token}") for token in ids] for ids in cut.said]
    return Lens(entry, prompt, question, cut.tokens, cut.matches, said, cut.signals, cut.ranks, cut.shortened)
