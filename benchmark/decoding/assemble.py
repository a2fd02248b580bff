"""From what was read, in the order of reading, to the trace, in the order of the text."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from benchmark.decoding.text.words import read_masked, read_pieces
from benchmark.errors import MeasurementError
from benchmark.readout.reading import Reading
from benchmark.trace.arrays import OF_SAMPLE, OF_SIGNALS
from benchmark.trace.record import GivenTrace, Trace


@dataclass(frozen=True)
class Places:
    """Where some tokens stand."""

    prompts: NDArray[np.int64]
    """Numbers of their prompts."""
    positions: NDArray[np.int64]
    """Positions in their texts."""

    @classmethod
    def joined(cls, parts: "Sequence[Places]") -> "Places":
        """Return the places of the tokens of all parts, in their order."""
        prompts, positions = ([getattr(part, field.name) for part in parts] for field in fields(cls))
        return cls(np.concatenate(prompts), np.concatenate(positions))

    def at(self, rows: NDArray[np.int64]) -> "Places":
        """Return the places of the tokens with these numbers."""
        return Places(self.prompts[rows], self.positions[rows])


def assemble(
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Sequence[int]],
    places: Sequence[Places],
    readings: Sequence[Reading],
    masked: bool = False,
    given: Sequence[Sequence[int]] | None = None,
) -> Trace:
    """Put the tokens of all readings into the order of the prompts and, within one, of the text; nothing is scored yet.

    Args:
        tokenizer: of the model, to find the words.
        prompts: token ids of each prompt, which the tokens continue; of masked texts before masking.
        places: of the tokens of each reading.
        readings: what was read, at least one.
        masked: whether tokens stand inside the prompts, not behind them.
        given: token ids of the texts behind the prompts, all of which were read; None where the model wrote them.

    Raises:
        MeasurementError: there is no token.
    """
    if not sum(len(place.prompts) for place in places):
        raise MeasurementError("no token was generated")
    prompt = np.concatenate([place.prompts for place in places])
    position = np.concatenate([place.positions for place in places])
    sampled = np.concatenate([reading.sampled.numpy() for reading in readings])
    order = np.lexsort((position, prompt))
    of_sample = np.argsort(np.argsort(order)[sampled])

    def column(name: str) -> NDArray[Any]:
        joined = np.concatenate([getattr(reading, name).numpy() for reading in readings])
        return joined[of_sample if name in OF_SAMPLE or (name in OF_SIGNALS and len(joined) < len(order)) else order]

    columns = {field.name: column(field.name) for field in fields(Reading)}
    prompt, position = prompt[order], position[order]
    token = columns["target"] if given is None else np.concatenate([given[number] for number in np.unique(prompt)])
    texts: list[str] = []
    word_positions: list[int] = []
    for number in np.unique(prompt):
        mine = prompt == number
        ids = prompts[number]
        if masked:
            text, place = read_masked(tokenizer, ids, position[mine].tolist())
        else:
            text, place = read_pieces(tokenizer, ids, token[mine].tolist())
        texts += text
        word_positions += place
    columns |= {
        "prompt": prompt,
        "position": position,
        "text": np.array(texts, dtype=object),
        "word_position": np.array(word_positions),
        "score": np.full(len(prompt), np.nan),
    }
    return Trace(**columns) if given is None else GivenTrace(**columns, given=token)
