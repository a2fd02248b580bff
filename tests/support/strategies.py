"""Made-up traces and rows: by hand from a few numbers, from made-up logits, or by hypothesis."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import ArrayLike, NDArray

from benchmark.results.row import Row
from benchmark.results.versions import harness_version
from benchmark.trace.arrays import OF_SAMPLE, OF_SIGNALS
from benchmark.trace.record import Trace

# The first example of a test also pays for imports, and a busy machine is no defect: no example has a deadline.
# The tests run often, and each run draws other examples.
settings.register_profile("unhurried", deadline=None, max_examples=50)
settings.load_profile("unhurried")

SIMILARITIES = ("similarity_logit", "similarity_logit_raw", "similarity_hidden", "similarity_topk")

alphas = st.floats(0, 1)
curves = st.lists(st.floats(-1, 1), min_size=1, max_size=40)
"""Similarities to the last layer, of layers 1..L."""


def trace_of(predictions: Sequence[Sequence[int]], all_signals: bool = False, **given: Any) -> Trace:
    """A trace with these predictions (T × L), by default of one prompt and with every token in the sample.

    What is not given is plain: every layer is as similar to the last as can be, no token is a tie, each is a word of
    its own, and no layer has two halves. Arrays of the sample are given for the tokens of the sample, and so are the
    signals unless they are known of all tokens.
    """
    said = np.asarray(predictions)
    tokens, layers = said.shape
    prompt = np.asarray(given.get("prompt", np.zeros(tokens, dtype=int)))
    sampled = np.asarray(given.get("sampled", np.ones(tokens, dtype=bool)))
    ones = np.ones((tokens, layers))
    plain = {
        "prompt": prompt,
        "position": positions(prompt),
        "target": said[:, -1],
        "text": [f" {token}" for token in said[:, -1]],
        "word_position": np.zeros(tokens),
        "matches": said == said[:, -1:],
        **dict.fromkeys(SIMILARITIES, ones),
        "similarity_previous": np.where(np.arange(layers) == 0, np.nan, ones),
        "margin": np.ones(tokens),
        "sampled": sampled,
        "predictions": said,
        **dict.fromkeys(("max_prob", "prob_margin", "rank", "entropy", "kl", "layer_margin"), ones),
        "half_matches": -ones,
        "score": np.full(tokens, np.nan),
    }
    plain |= {name: plain[name][sampled] for name in OF_SAMPLE}
    plain |= {name: plain[name][sampled | all_signals] for name in OF_SIGNALS}
    return Trace(**plain | given)


def positions(prompt: ArrayLike) -> NDArray[np.int64]:
    """Place of each token in its text: tokens of a prompt follow each other, so the distance to the first of them."""
    _, first, member = np.unique(prompt, return_index=True, return_inverse=True)
    return np.arange(len(member)) - first[member]


@dataclass(frozen=True)
class MadeUp:
    """What a made-up model computed: T tokens, L layers, V words, states of size D."""

    prompt: NDArray[np.int64]
    """T."""
    logits: NDArray[np.float64]
    """T × L × V."""
    half_logits: NDArray[np.float64]
    """T × L × V: behind the mixer of each layer."""
    has_half: NDArray[np.bool_]
    """L."""
    states: NDArray[np.float64]
    """T × L × D: after the final norm."""
    word_position: NDArray[np.int64]
    """T."""
    sampled: NDArray[np.bool_]
    """T."""
    score: NDArray[np.float64]
    """T: at the last token of each prompt, if answers were scored."""
    all_signals: bool = False
    """Whether the signals of all tokens are known, or those of the sample."""

    def trace(self) -> Trace:
        """What the readout says about it."""
        return trace_from_logits(**vars(self))

    def tokens(self, order: NDArray[np.int64]) -> "MadeUp":
        """The tokens in another order."""
        by_token = {name: array for name, array in vars(self).items() if name not in ("has_half", "all_signals")}
        return replace(self, **{name: array[order] for name, array in by_token.items()})

    def layers(self, order: ArrayLike) -> "MadeUp":
        """Layers left out, repeated or in another order; `order` counts from 0."""
        index = np.asarray(order)
        by_layer = {name: getattr(self, name)[:, index] for name in ("logits", "half_logits", "states")}
        return replace(self, **by_layer, has_half=self.has_half[index])


def trace_from_logits(
    logits: NDArray[np.float64],
    prompt: NDArray[np.int64],
    half_logits: NDArray[np.float64],
    has_half: NDArray[np.bool_],
    states: NDArray[np.float64],
    word_position: NDArray[np.int64],
    sampled: NDArray[np.bool_],
    score: NDArray[np.float64],
    all_signals: bool = False,
    top_k: int = 2,
) -> Trace:
    """The trace of made-up logits, each array by its definition, in double precision; arguments as in `MadeUp`."""
    target = logits[:, -1].argmax(axis=-1)
    ordered = np.sort(logits, axis=-1)
    margin = ordered[..., -1] - ordered[..., -2]
    log_p = _log_softmax(logits)
    # In descending order, and equal logits by token id.
    ranking = np.argsort(-logits, axis=-1, kind="stable")
    top = [[set(layer[:top_k]) for layer in token] for token in ranking]
    probabilities = np.sort(np.exp(log_p), axis=-1)
    signals = {
        "predictions": logits.argmax(axis=-1),
        "max_prob": probabilities[..., -1],
        "prob_margin": probabilities[..., -1] - probabilities[..., -2],
        "entropy": -(np.exp(log_p) * log_p).sum(axis=-1),
    }
    of_sample = {
        "rank": (ranking == target[:, None, None]).argmax(axis=-1) + 1,
        "similarity_topk": np.array([[len(best & token[-1]) / top_k for best in token] for token in top]),
        "kl": (np.exp(log_p[:, -1:]) * (log_p[:, -1:] - log_p)).sum(axis=-1),
        "layer_margin": margin,
        "half_matches": np.where(has_half, half_logits.argmax(axis=-1) == target[:, None], -1),
    }
    return Trace(
        prompt=prompt,
        position=positions(prompt),
        target=target,
        text=[f" {token}" for token in target],
        word_position=word_position,
        matches=logits.argmax(axis=-1) == target[:, None],
        similarity_logit=_cosine_to_last(logits - logits.mean(axis=-1, keepdims=True)),
        similarity_logit_raw=_cosine_to_last(logits),
        similarity_hidden=_cosine_to_last(states),
        similarity_previous=_cosine_to_previous(states),
        margin=margin[:, -1],
        sampled=sampled,
        score=score,
        **{name: array[sampled] for name, array in of_sample.items()},
        **{name: array[sampled | all_signals] for name, array in signals.items()},
    )


def _cosine_to_last(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """T × L × any → T × L; 0 where a vector has no length."""
    length = np.linalg.norm(vectors, axis=-1)
    lengths = length * length[:, -1:]
    return (vectors * vectors[:, -1:]).sum(axis=-1) / np.where(lengths > 0, lengths, 1)


def _cosine_to_previous(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """T × L × any → T × L; NaN for the first layer."""
    length = np.linalg.norm(vectors, axis=-1)
    lengths = length[:, 1:] * length[:, :-1]
    cosine = (vectors[:, 1:] * vectors[:, :-1]).sum(axis=-1) / np.where(lengths > 0, lengths, 1)
    return np.concatenate([np.full((len(vectors), 1), np.nan), cosine], axis=1)


def _log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


@st.composite
def made_up(draw: st.DrawFn, max_tokens: int = 8, max_layers: int = 6) -> MadeUp:
    """Logits that are small whole numbers over four words, so that layers often agree, and often tie, by accident.

    Four is a power of two: centring and adding a whole number are exact.
    """
    tokens, layers = draw(st.integers(1, max_tokens)), draw(st.integers(1, max_layers))

    def whole(low: int, high: int, *shape: int) -> NDArray[np.int64]:
        return draw(arrays(np.int64, shape, elements=st.integers(low, high)))

    sampled = draw(arrays(np.bool_, tokens))
    sampled[draw(st.integers(0, tokens - 1))] = True
    prompt = np.sort(whole(0, 3, tokens))
    return MadeUp(
        prompt=prompt,
        logits=whole(-3, 3, tokens, layers, 4).astype(float),
        half_logits=whole(-3, 3, tokens, layers, 4).astype(float),
        has_half=draw(arrays(np.bool_, layers)),
        states=whole(-2, 2, tokens, layers, 3).astype(float),
        word_position=whole(-1, 9, tokens),
        sampled=sampled,
        score=np.where(np.append(np.diff(prompt) != 0, True) & draw(st.booleans()), whole(0, 2, tokens) / 2, np.nan),
        all_signals=draw(st.booleans()),
    )


def traces(max_tokens: int = 8, max_layers: int = 6) -> st.SearchStrategy[Trace]:
    """Traces of made-up logits."""
    return made_up(max_tokens, max_layers).map(MadeUp.trace)


def row_of(**columns: Any) -> Row:
    """The row of a case that went well; `columns` change it."""
    plain: dict[str, Any] = {
        "status": "ok",
        "suite": "oracle",
        "model": "tiny",
        "workload": "chat",
        "configuration": "0123abcd",
        "num_layers": 4,
        "tokens": 20,
        "limited": False,
        "alpha": 0.5,
        "seed": 0,
        "started": "2026-01-02T03:04:05+00:00",
        "harness_version": harness_version(),
        "torch_version": "2.11.0",
        "transformers_version": "5.17.0",
        "python_version": "3.12.0",
        "platform": "Linux x86_64",
        "accelerator": "a processor",
    }
    return Row(**(plain | columns))
