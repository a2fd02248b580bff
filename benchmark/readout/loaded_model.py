"""A model that is ready to be measured."""

from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from benchmark.anatomy.layers import Anatomy
from benchmark.anatomy.midlayer import Half
from benchmark.models.tasks import input_device
from benchmark.readout.model_readout import Readout
from benchmark.trace.costs import Costs, Task


@dataclass(frozen=True)
class LoadedModel:
    """A model that is ready to be measured."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    task: Task
    anatomy: Anatomy
    readout: Readout
    halves: tuple[Half | None, ...]
    """Where the state between the two halves of each layer is met; None where the layer has none."""
    costs: Costs | None
    """What a token costs in each layer; None where that cannot be read off the model."""
    end_ids: frozenset[int]
    """Every token id that ends a text, from the generation config and the tokenizer."""
    pad_id: int
    context: int | None
    """Positions the model was made for; None when it names no limit."""
    stored_as: str | None = None
    """What most of its weights are stored in, such as `bfloat16` or `Q4_1`; None of a model that was in memory."""
    encoder_context: int | None = None
    """The same of the encoder of an encoder-decoder; `context` is its decoder's."""
    batchable: bool = True
    """Whether prompts may be decoded together; not when one was seen to change what was read of another."""
    with_cache: bool = True
    """Whether decoding may use a cache; not when it was seen to give other exits than the model's own forward pass."""
    thresholds: tuple[int, ...] = ()
    """Lengths of a text at which the model may begin to work in another way, in rising order."""
    rewritten: tuple[Tensor, ...] = ()
    """Parameters and buffers that the model itself writes into while it runs."""
    streamed: bool = False
    """Whether the weights of each layer are read from the files when it runs; such a model decodes nothing."""

    @property
    def device(self) -> torch.device:
        """Where token ids go."""
        return input_device(self.model)

    @property
    def dtype(self) -> str:
        """Type of the weights, such as `float32`."""
        return str(self.model.dtype).removeprefix("torch.")

    @property
    def recurrent(self) -> bool:
        """Whether some layers carry a state from token to token; such a model must never see padding."""
        return self.costs is None or self.costs.recurrent  # when in doubt, no padding

    @property
    def num_parameters(self) -> int:
        """Parameters of the model; tied ones count once."""
        return sum(parameter.numel() for parameter in self.model.parameters())
