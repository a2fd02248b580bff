"""What texts with early exits cannot be like, held against what their row says of them."""

from collections.abc import Iterator

import numpy as np

from benchmark.results.audit.fault import Fault, told
from benchmark.results.row import Row
from benchmark.trace.decoded import Decoded

_MOST_ENDS = 8
"""Different tokens that end a text; models have one to five."""


def impossible_decoding(row: Row, decoded: Decoded) -> list[Fault]:
    """Return what is wrong with the texts of a row of the decoding study.

    Args:
        row: of a case that went well.
        decoded: its record.
    """
    if decoded.num_tokens == 0 or decoded.num_tokens == len(decoded.token):
        return [Fault("tokens", "there are no texts with early exits, or none of the full model")]
    if wrong := [*_order(decoded), *_rule(row, decoded)]:
        return wrong
    return [*_counts(row, decoded), *_values(row, decoded), *_ends(row, decoded), *_scores(row, decoded)]


def _order(decoded: Decoded) -> Iterator[Fault]:
    if not (np.diff(decoded.full.astype(int)) >= 0).all():
        yield Fault("tokens", "the full model's texts do not stand behind the others")
        return
    for full in (False, True):
        some = decoded.of(full)
        new = np.append(True, np.diff(some.prompt) != 0)
        place = np.arange(len(new)) - np.maximum.accumulate(np.where(new, np.arange(len(new)), 0))
        if not (np.diff(some.prompt) >= 0).all() or (place != some.position).any():
            yield Fault("position", "the tokens are not in the order of their prompts and positions")
            return
    if [*np.unique(decoded.of(False).prompt)] != [*np.unique(decoded.of(True).prompt)]:
        yield Fault("prompts", "the texts with early exits and the full model's are of different prompts")


def _rule(row: Row, decoded: Decoded) -> Iterator[Fault]:
    """What the record says of the rule, and what the row says."""
    gated, layers = decoded.gated, row.num_layers or 0
    looks = tuple(range(row.min_exit_layer or 1, layers, row.check_every or 1))
    said = {"gate": gated.gate, "policy": gated.policy, "num_layers": gated.num_layers}
    for column, value in said.items():
        if getattr(row, column) != value:
            yield Fault(column, f"is {told(getattr(row, column))}, but the texts are of {told(value)}")
    if gated.looks != looks:
        yield Fault("check_every", "the texts were looked at in other layers than the row says")


def _counts(row: Row, decoded: Decoded) -> Iterator[Fault]:
    numbers = np.unique(decoded.prompt)
    found = {
        "tokens": decoded.num_tokens,
        "full_tokens": len(decoded.token) - decoded.num_tokens,
        "prompts": len(numbers),
    }
    for column, value in found.items():
        if getattr(row, column) != value:
            yield Fault(column, f"is {told(getattr(row, column))}, but the record has {value}")
    if decoded.position.max() >= (row.max_new_tokens or 0):
        yield Fault("max_new_tokens", f"is {row.max_new_tokens}, but a text has {decoded.position.max() + 1} tokens")
    if numbers[0] < 0:
        yield Fault("prompt", "is negative")
    if row.target_asked is not None and (numbers % 2 == 0).any():
        yield Fault("target_asked", "prompts of even number chose the threshold, and were decoded all the same")


def _values(row: Row, decoded: Decoded) -> Iterator[Fault]:
    layers, exits = decoded.num_layers, decoded.exit_layer
    allowed = np.isin(exits, [*decoded.gated.looks, layers])
    if not allowed.all():
        yield Fault("exit_layer", f"{int((~allowed).sum())} tokens left where nobody looked")
    if (exits[decoded.full] != layers).any() or (exits[decoded.position == 0] != layers).any():
        yield Fault("exit_layer", "the full model's tokens, and the first of each text, leave at the last layer")
    if decoded.token.min() < 0 or decoded.token.max() >= (row.vocab_size or 0):
        yield Fault("token", "is not a token of the vocabulary")
    texts, full = decoded.of(False), decoded.of(True)
    if (texts.token[texts.position == 0] != full.token[full.position == 0]).any():
        yield Fault("token", "the first token of a text is the full model's, and is another one")
    if row.gate == "oracle" and row.policy == "recompute" and [*texts.token] != [*full.token]:
        yield Fault("token", "the oracle writes the full model's text under recompute, and here it does not")


def _ends(row: Row, decoded: Decoded) -> Iterator[Fault]:
    """A text that is shorter than it might be ends with an end-of-text token, and those stand nowhere else."""
    if row.stop:
        return  # a text may end with any token then
    last = decoded.last
    short = last & (decoded.position + 1 < (row.max_new_tokens or 0))
    ends = np.unique(decoded.token[short])
    inside = int((np.isin(decoded.token, ends) & ~last).sum())
    if len(ends) > _MOST_ENDS or inside:
        yield Fault(
            "token", f"texts are cut short: they end with {len(ends)} tokens, which stand inside {inside} times"
        )


def _scores(row: Row, decoded: Decoded) -> Iterator[Fault]:
    scores = decoded.score
    known = ~np.isnan(scores)
    if (known & ~decoded.last).any() or (scores[known] < 0).any() or (scores[known] > 1).any():
        yield Fault("score", "scores lie within 0 and 1, at the last token of a text")
    if known.any() and row.scorer is None:
        yield Fault("scorer", "is missing, but the answers have scores")
    if (decoded.answer[~decoded.last] != "").any():
        yield Fault("answer", "stands elsewhere than at the last token of a text")
