"""What a sample cannot be: another than the seed draws, unlike the other tokens, or at odds with itself."""

import math
from collections.abc import Iterator

import numpy as np

from benchmark.metrics.exits import first_match
from benchmark.results.audit.fault import Fault
from benchmark.results.row import Row
from benchmark.trace.record import Trace
from benchmark.trace.sample import draws

_MOST_PLACES = 40_000_000
"""Of a grid of prompts and positions, four times 5,000 prompts of 2,048 tokens; to draw from it takes 1 GB."""
_MARGINS_APART = {"float32": 0.01, "float64": 0.01}
_MARGINS_APART_16_BIT = 0.3
"""How far the two margins of a token may lie apart, as a share of the mean margin: a batch of another size rounds
another way. Measured: 1e-8 in 32 bit, nothing in 16 bit."""
_EDGE = 0.05
"""Share of overlaps that may not fit the rank: of equal logits at the edge of the K most likely, any may be taken as
one of them. Measured, with tiny models in bfloat16: 0.004 with K = 1, 0.002 with K = 3."""
_UNLIKELY = 10.0
"""Negative log of the chance, at most, that a random sample lies this far off."""


def impossible_sample(row: Row, trace: Trace) -> Iterator[Fault]:
    """What is wrong with the sample and with what is known of it.

    Args:
        row: of a case that went well.
        trace: its arrays have the shapes that the row asks for, and its tokens are in order.
    """
    yield from _drawn(row, trace)
    if trace.sampled.any():
        yield from _margins(row, trace)
        yield from _overlaps(row, trace)
        yield from _like_the_others(trace)


def _drawn(row: Row, trace: Trace) -> Iterator[Fault]:
    """The sample must be what the seed draws, not what looks best.

    Places are drawn one after another until there are enough, so the sample of n tokens is the same however many places
    it took.
    """
    numbers, first, sizes = np.unique(trace.prompt, return_index=True, return_counts=True)
    if len(numbers) != row.prompts or row.seed < 0:
        return  # texts without a masked token are not known by number; the seed has been told of
    place = np.arange(len(trace.prompt)) - np.repeat(first, sizes)
    known = row.architecture == "encoder" or row.capture == "given"  # how long texts are, before they are run
    width = int(sizes.max()) if known else row.max_new_tokens or 0
    if len(numbers) * width > _MOST_PLACES:
        yield Fault("max_new_tokens", f"no case has {len(numbers) * width:,} tokens")
        return
    when = draws(row.seed, len(numbers), width)[np.repeat(np.arange(len(numbers)), sizes), place]
    count = int(trace.sampled.sum())
    if count and not (trace.sampled == (when <= np.partition(when, count - 1)[count - 1])).all():
        yield Fault("sampled", f"the sample is not the one that seed {row.seed} draws")


def _margins(row: Row, trace: Trace) -> Iterator[Fault]:
    """The margin of decoding and that of the last layer's readout are the same number."""
    decoded, read = (array.astype(np.float64) for array in (trace.margin[trace.sampled], trace.layer_margin[:, -1]))
    apart = np.abs(decoded - read).mean()
    if apart > _MARGINS_APART.get(row.dtype or "", _MARGINS_APART_16_BIT) * read.mean():
        yield Fault("margin", f"is {apart:.3g} away from the last layer_margin, which is the same, on average")


def _overlaps(row: Row, trace: Trace) -> Iterator[Fault]:
    """The token is among the K most likely of the last layer, and by its rank it is or is not among an exit's."""
    k = row.top_k or 1
    fits = np.where(trace.rank <= k, trace.similarity_topk > 0.5 / k, trace.similarity_topk < 1 - 0.5 / k)
    odd = _EDGE * fits.size
    if (~fits).sum() > odd + 3 * math.sqrt(odd):  # of a small sample, by chance
        yield Fault("similarity_topk", f"does not fit the rank at {int((~fits).sum())} of {fits.size} values")


def _like_the_others(trace: Trace) -> Iterator[Fault]:
    """The sample is random, so its exits are those of the other tokens, but for chance.

    By the inequality of Bernstein, which also holds for draws without replacement (Hoeffding 1963): the mean of n draws
    of variance σ² and range R is off by t or more with a chance of at most 2·exp(−n t² / (2σ² + 2Rt/3)).
    """
    exits = first_match(trace.matches).astype(np.float64)
    # Sample and rest are drawn alike; of the smaller one more is known.
    drawn = trace.sampled if trace.sampled.mean() <= 0.5 else ~trace.sampled
    if not drawn.any():
        return
    off = abs(exits[drawn].mean() - exits.mean())
    spread = 2 * exits.var() + 2 * np.ptp(exits) * off / 3
    if spread > 0 and drawn.sum() * off**2 / spread - math.log(2) > _UNLIKELY:
        yield Fault(
            "matches",
            f"tokens of the sample exit at layer {exits[trace.sampled].mean():.3g} on average, the others at "
            f"{exits[~trace.sampled].mean():.3g}; a random sample does not",
        )
