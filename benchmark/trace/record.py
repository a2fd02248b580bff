"""The record: for every generated token and every exit, what the readout says about it.

Everything left of the trace needs a model; everything right of it is a pure function of these arrays. T is the number
of tokens, L of layers, n of sampled tokens. Exits and similarities are known of every token; what takes the logits of
the whole vocabulary is known of the tokens of a fixed random sample. Of that, the signals, which a real gate can see,
are known of every token if that was asked for: m is T then, and n otherwise.
"""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import InputError
from benchmark.trace.arrays import OF_TEXTS, TYPES
from benchmark.trace.parquet import read_arrays, write_arrays

NEAR_TIE = 1e-3
"""Margin that two passes in float32 may turn over: two tokens as likely as each other, but for a thousandth."""


@dataclass(frozen=True)
class Trace:
    """Tokens in the order of their prompts and, within a prompt, of the text."""

    prompt: NDArray[np.int32]
    """T: index of the prompt, counted from 0 in the order of the workload."""
    position: NDArray[np.int32]
    """T: place in the generated text, or of the masked token in its text, counted from 0."""
    target: NDArray[np.int32]
    """T: the full model's token y."""
    text: NDArray[np.object_]
    """T: what the token adds to the text, for people to read; a part of a character shows as U+FFFD."""
    word_position: NDArray[np.int32]
    """T: place of the token in its word; 0 begins a word, -1 stands in none (punctuation, spaces, special tokens)."""
    matches: NDArray[np.bool_]
    """T × L: whether the exit's token is the full model's. The last column is true."""
    similarity_logit: NDArray[np.float32]
    """T × L: cosine to the last exit's logits, each vector centred on its mean over the vocabulary."""
    similarity_logit_raw: NDArray[np.float32]
    """T × L: the same without centring."""
    similarity_hidden: NDArray[np.float32]
    """T × L: cosine to the last exit's state after the final norm."""
    similarity_previous: NDArray[np.float32]
    """T × L: cosine of the layer's output to that of the layer before; NaN for the first layer."""
    margin: NDArray[np.float32]
    """T: largest minus second largest logit of the full model; 0 is a tie."""
    sampled: NDArray[np.bool_]
    """T: whether the token is in the sample; true n times."""
    score: NDArray[np.float64]
    """T: at the last token of a prompt, how good its answer is, from 0 to 1; NaN at all others, and where answers are
    not scored."""

    predictions: NDArray[np.int32]
    """m × L: token id with the largest logit."""
    max_prob: NDArray[np.float32]
    """m × L: p₁, the largest probability of p = softmax(z_ℓ)."""
    prob_margin: NDArray[np.float32]
    """m × L: p₁ − p₂, with the second largest; 1 where the vocabulary is one token."""
    entropy: NDArray[np.float32]
    """m × L: entropy of p, nats."""
    rank: NDArray[np.int32]
    """n × L: rank of y among the logits, from 1; equal logits count by token id."""
    similarity_topk: NDArray[np.float32]
    """n × L: share of the K most likely tokens in common with the last exit."""
    kl: NDArray[np.float32]
    """n × L: KL(softmax(z_L) ‖ softmax(z_ℓ)), nats."""
    layer_margin: NDArray[np.float32]
    """n × L: largest minus second largest logit of the exit."""
    half_matches: NDArray[np.int8]
    """n × L: whether the state between the two halves of the layer, behind its mixer, gives y: 1 or 0; -1 where the
    layer has no two residual additions."""

    def __post_init__(self) -> None:
        """Hold every array in one type, so that a stored trace equals a fresh one."""
        for field in fields(self):
            object.__setattr__(self, field.name, np.asarray(getattr(self, field.name), dtype=TYPES[field.name]))

    @property
    def num_tokens(self) -> int:
        """T."""
        return self.matches.shape[0]

    @property
    def num_layers(self) -> int:
        """L."""
        return self.matches.shape[1]

    @property
    def token(self) -> NDArray[np.int32]:
        """T: the token that stands in the text; the full model's, which wrote it."""
        return self.target

    @property
    def signalled(self) -> NDArray[np.bool_]:
        """T: whether the token's signals are known; true m times."""
        return np.ones_like(self.sampled) if len(self.predictions) == self.num_tokens else self.sampled

    def write_parquet(self, path: Path | str) -> None:
        """Write one row a token; what is known of the sample only is null elsewhere."""
        write_arrays(path, {field.name: getattr(self, field.name) for field in fields(self)})

    @staticmethod
    def read_parquet(path: Path | str) -> "Trace":
        """Read what `write_parquet` wrote: a `GivenTrace` where the texts were given, or a `WrittenTrace`.

        Raises:
            InputError: the file is missing, damaged, or no trace.
        """
        arrays = read_arrays(path, [*(field.name for field in fields(Trace)), *OF_TEXTS])
        if "given" in arrays and "written" in arrays:
            raise InputError(f"{path}: has both given and written texts, and a trace is of one kind; measure it again")
        kind = GivenTrace if "given" in arrays else WrittenTrace if "written" in arrays else Trace
        return kind(**arrays)


@dataclass(frozen=True)
class GivenTrace(Trace):
    """The record of given texts: at each token, what the full model and its exits say before they have seen it.

    So `target` is what the full model would have written there, and matches, ranks and similarities are of that.
    """

    given: NDArray[np.int32]
    """T: the token that stands in the text, and that the text goes on from; `text` and `word_position` are its own."""

    @property
    def token(self) -> NDArray[np.int32]:
        """T: the token that stands in the text, `given`."""
        return self.given


@dataclass(frozen=True)
class WrittenTrace(Trace):
    """The record of texts that the model wrote first and that were read after, where rounding lies between the two.

    At each token, `target` is what the full model says when it reads; matches, ranks and similarities are of that.
    """

    written: NDArray[np.int32]
    """T: the token that the model wrote, and that the text goes on from; `text` and `word_position` are its own."""

    @property
    def token(self) -> NDArray[np.int32]:
        """T: the token that stands in the text, `written`."""
        return self.written
