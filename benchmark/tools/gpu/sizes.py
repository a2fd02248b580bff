"""How large everything is: as it is meant for a GPU, and so small that a CPU rehearses all of it in a minute."""

import copy
from dataclasses import dataclass

from transformers import PretrainedConfig

from benchmark.tools.perf.shapes import SHAPES

SMALL, LARGE = "Qwen3-0.6B", "Llama-3-8B"
_TINY = {
    "vocab_size": 500,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
}


@dataclass(frozen=True)
class Sizes:
    """Of prompts, texts and repetitions."""

    tiny: bool
    """Whether models of published shapes are replaced by tiny ones of the same kind."""
    prompts: int
    """Of the correctness steps, all of other lengths."""
    new_tokens: int
    """Of the correctness steps."""
    batches: tuple[int, ...]
    """Of the speed steps."""
    prompt_tokens: tuple[int, int]
    """Of the speed steps, at least and at most."""
    speed_tokens: dict[str, int]
    """New tokens of the speed steps, by the shape."""
    rounds: int
    """Of the speed steps: medians are of so many."""

    def config(self, shape: str) -> PretrainedConfig:
        """Return the config of a published shape, or a tiny one in its place."""
        config = copy.deepcopy(SHAPES[shape])
        for name, value in _TINY.items() if self.tiny else ():
            setattr(config, name, value)
        if self.tiny and getattr(config, "layer_types", None):
            config.layer_types = config.layer_types[: _TINY["num_hidden_layers"]]
        return config


MEANT = Sizes(
    tiny=False,
    prompts=12,
    new_tokens=24,
    batches=(1, 16),
    prompt_tokens=(64, 128),
    speed_tokens={SMALL: 256, LARGE: 128},
    rounds=3,
)
REHEARSED = Sizes(
    tiny=True,
    prompts=4,
    new_tokens=6,
    batches=(1, 3),
    prompt_tokens=(6, 12),
    speed_tokens={SMALL: 6, LARGE: 4},
    rounds=1,
)
