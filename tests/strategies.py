"""Made-up traces and rows: by hand from a few numbers, or by hypothesis."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from benchmark.row import Row
from benchmark.trace import Trace

# The first example of a test also pays for imports, and a busy machine is no defect: no example has a deadline.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

SIMILARITIES = ("similarity_logit", "similarity_logit_raw", "similarity_hidden", "similarity_topk")

alphas = st.floats(0, 1)
curves = st.lists(st.floats(-1, 1), min_size=1, max_size=40)
"""Similarities to the last layer, of layers 1..L."""


def trace_of(predictions: Sequence[Sequence[int]], prompt: Sequence[int] | None = None, **arrays: Any) -> Trace:
    """A trace with these predictions (tokens × L), by default of one prompt.

    What is not given is plain: every layer is as similar to the last as can be, and no token is a tie.
    """
    tokens, layers = np.shape(predictions)
    prompts = np.zeros(tokens, dtype=int) if prompt is None else np.asarray(prompt)
    # Tokens of a prompt follow each other, so the position is the distance to its first token.
    position = [index - list(prompts).index(number) for index, number in enumerate(prompts)]
    plain = {name: np.ones((tokens, layers)) for name in SIMILARITIES}
    given = {
        "prompt": prompts,
        "position": position,
        "predictions": predictions,
        "margin": np.ones(tokens),
        **plain,
        **arrays,
    }
    return Trace(**{name: np.asarray(array) for name, array in given.items()})


@st.composite
def traces(draw: st.DrawFn, max_tokens: int = 8, max_layers: int = 6) -> Trace:
    """Traces with so few words in their vocabulary that layers often agree by accident."""
    tokens, layers = draw(st.integers(1, max_tokens)), draw(st.integers(1, max_layers))

    def table(values: st.SearchStrategy[Any], columns: int) -> list[list[Any]]:
        return draw(
            st.lists(st.lists(values, min_size=columns, max_size=columns), min_size=tokens, max_size=tokens),
        )

    similarities = {}
    for name in SIMILARITIES:
        lowest = 0.0 if name == "similarity_topk" else -1.0
        array = np.array(table(st.floats(lowest, 1.0, width=32), layers))
        array[:, -1] = 1.0
        similarities[name] = array
    return trace_of(
        table(st.integers(0, 3), layers),
        prompt=sorted(draw(st.lists(st.integers(0, 3), min_size=tokens, max_size=tokens))),
        margin=[row[0] for row in table(st.sampled_from([0.0, 0.25, 3.0]), 1)],
        **similarities,
    )


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
        "harness_version": "0.1.0",
        "torch_version": "2.11.0",
        "transformers_version": "5.17.0",
        "python_version": "3.12.0",
        "platform": "Linux x86_64",
        "accelerator": "a processor",
    }
    return Row(**(plain | columns))
