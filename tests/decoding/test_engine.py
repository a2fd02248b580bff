"""The engine of docs/extending.md, as it stands there, against `generate`."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.anatomy.watch import Watch
from benchmark.decoding.buffer import capture
from benchmark.decoding.engine import Engine, Limits, Sink, Step
from benchmark.decoding.engines.generate import Generate
from benchmark.decoding.prepare import prepare
from benchmark.readout.loaded_model import LoadedModel
from benchmark.readout.reading import Chosen
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer
from benchmark.trace.sample import Sampling

PAGE = (Path(__file__).parents[2] / "docs" / "extending.md").read_text(encoding="utf-8")
NEEDED = (Sequence, np, torch, Tensor, Watch, Limits, Sink, Step, LoadedModel, Chosen)


def engine_of_the_page() -> Engine:
    """The class in the recipe, with what it needs."""
    (code,) = re.findall(r"```python\n# benchmark/decoding/engines/first_token.py\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {each.__name__.rpartition(".")[2]: each for each in NEEDED}
    exec(code, names | {"np": np, "torch": torch} | {"__name__": __name__}, names)
    engine: Engine = names["FirstToken"].__new__(names["FirstToken"])
    names["FirstToken"].decode.__globals__.update(names | {"np": np, "torch": torch})
    return engine


def test_an_engine_in_one_file_gives_the_trace_that_generate_gives():
    model = prepare(tiny_model("llama", "causal"), tiny_tokenizer(), "causal")
    prompts = [model.tokenizer(text).input_ids for text in ("the cat sat", "hello there")]
    new, old = (
        capture(engine, model, prompts, Limits(1, 1), Sampling(top_k=5)).trace
        for engine in (engine_of_the_page(), Generate())
    )
    assert new.target.tolist() == old.target.tolist()
    assert new.matches.tolist() == old.matches.tolist()
    assert new.position.tolist() == [0, 0]
