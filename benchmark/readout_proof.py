"""No number without proof: at load, the readout is held against the model itself.

Three statements are checked on a short input. The readout of layer L gives the model's logits. The readout of an inner
layer gives what the model gives when every later layer is passed through. Both sides run the same kernels on the same
shapes, so they are expected to be equal to the last bit. And the readout of one position does not depend on the others,
so that nothing that mixes positions is left behind the stack.
"""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from benchmark.anatomy import Anatomy, Layer, passed_through
from benchmark.errors import MeasurementError
from benchmark.readout import Readout
from benchmark.tasks import Task, forward_logits

# Relative to the largest logit. Equal kernels give 0.0; devices that pick kernels by load may differ in the last bits.
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-5, torch.bfloat16: 2e-2, torch.float16: 4e-3}


def prove_readout(
    model: PreTrainedModel, anatomy: Anatomy, readout: Readout, task: Task, ids: Tensor, every_layer: bool = False
) -> float:
    """Check the readout of the last layer and of the first, middle and last but one, or of every layer.

    Returns:
        The largest difference met, relative to the largest logit.

    Raises:
        MeasurementError: a readout differs from the model; says at which layer and by how much.
    """
    states, logits = layer_states(model, anatomy, task, ids)
    last = anatomy.num_layers
    alone = readout.logits(states[-1][..., -1:, :])
    _compare(alone, logits[:, -1:], "the last position alone against the same position in its text")
    worst = _compare(readout.logits(states[-1]), logits, f"layer {last} of {last} against the model's logits")
    inner = range(1, last) if every_layer else sorted({1, (last + 1) // 2, last - 1} - {0, last})
    for layer in inner:
        with passed_through(anatomy.layers[layer:]):
            truth = forward_logits(model, task, ids)
        what = f"layer {layer} of {last} against the model with the later layers passed through"
        worst = max(worst, _compare(readout.logits(states[layer - 1]), truth, what))
    return worst


def layer_states(model: PreTrainedModel, anatomy: Anatomy, task: Task, ids: Tensor) -> tuple[list[Tensor], Tensor]:
    """Outputs of layers 1..L in one forward pass, and the model's logits."""
    states: list[Tensor] = []

    def keep(layer: Layer) -> Callable[[nn.Module, Any, Any], None]:
        return lambda _, __, output: states.append(layer.state_out(output))

    with ExitStack() as stack:
        for layer in anatomy.layers:
            stack.callback(layer.module.register_forward_hook(keep(layer)).remove)
        logits = forward_logits(model, task, ids)
    return states, logits


def _compare(found: Tensor, truth: Tensor, what: str) -> float:
    if found.shape != truth.shape:
        raise MeasurementError(
            f"the readout of {what} has logits of shape {tuple(found.shape)}, not {tuple(truth.shape)}"
        )
    difference = float((found.float() - truth.float()).abs().max() / truth.float().abs().max().clamp_min(1e-12))
    if not difference <= TOLERANCE.get(truth.dtype, 1e-5):
        raise MeasurementError(
            f"the readout of {what} is off by {difference:.2g} of the largest logit; this model cannot be measured"
        )
    return difference
