"""Made-up records of the decoding study: by hand from a few tokens, or by hypothesis."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from benchmark.trace.decoded import Decoded, Gated

LAYERS = 4
GATED = Gated("margin", True, "propagate", (1, 2, 3), LAYERS)

Text = Sequence[tuple[int, int]]
"""Of each token its id and its exit; the exit of the first is the last layer, whatever stands there."""


def decoded_of(
    texts: Mapping[int, Text],
    full: Mapping[int, Sequence[int]],
    scores: Mapping[int, tuple[float, float]] | None = None,
    gated: Gated = GATED,
) -> Decoded:
    """Return the record of some texts, and of those of the full model behind the same prompts.

    Args:
        texts: by the number of the prompt.
        full: token ids, by the same.
        scores: of the text and of the full model's; by default there are none.
        gated: by what rule tokens left.
    """
    whole = {number: [(token, gated.num_layers) for token in tokens] for number, tokens in full.items()}
    columns: dict[str, list[Any]] = {name: [] for name in ("prompt", "position", "token", "exit_layer", "full")}
    columns |= {"text": [], "answer": [], "score": []}
    for part, block in enumerate((texts, whole)):
        for number, text in block.items():
            for place, (token, layer) in enumerate(text):
                last = place == len(text) - 1
                columns["prompt"].append(number)
                columns["position"].append(place)
                columns["token"].append(token)
                columns["exit_layer"].append(layer if place else gated.num_layers)
                columns["full"].append(bool(part))
                columns["text"].append(f" {token}")
                columns["answer"].append("".join(f" {token}" for token, _ in text) if last else "")
                columns["score"].append(scores[number][part] if last and scores else np.nan)
    return Decoded(gated, **{name: np.array(values) for name, values in columns.items()})


@st.composite
def decodings(draw: st.DrawFn, policy: str | None = None, scored: bool | None = None) -> Decoded:
    """One to four prompts, with texts of one to nine tokens of three ids: often alike, by accident."""
    looks = tuple(sorted(draw(st.sets(st.integers(1, LAYERS - 1), min_size=1))))
    chosen = policy or draw(st.sampled_from(["recompute", "propagate", "copy"]))
    gated = Gated("margin", draw(st.booleans()), chosen, looks, LAYERS)
    numbers = sorted(draw(st.sets(st.integers(0, 9), min_size=1, max_size=4)))
    ids = st.lists(st.integers(0, 2), min_size=1, max_size=9)
    exits = st.sampled_from([*looks, LAYERS])
    texts, full, scores = {}, {}, {}
    for number in numbers:
        full[number] = draw(ids)
        written = draw(st.one_of(st.just(full[number]), ids.map(lambda some, first=full[number][0]: [first, *some])))
        texts[number] = [(token, draw(exits)) for token in written]
        scores[number] = draw(st.sampled_from([0.0, 0.5, 1.0])), draw(st.sampled_from([0.0, 0.5, 1.0]))
    with_scores = draw(st.booleans()) if scored is None else scored
    return decoded_of(texts, full, scores if with_scores else None, gated)
