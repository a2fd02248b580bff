"""No number without proof: at load, the readout is held against the model itself.

Two statements are checked on a short input. The readout of layer L gives the model's logits; and the readout of an
inner layer gives what the model gives when every later layer is passed through. Both sides run the same kernels on the
same shapes, so they are expected to be equal to the last bit.
"""

from contextlib import ExitStack

import torch
from torch import Tensor, nn

from benchmark.anatomy import PROBE_TOKENS, Anatomy, first_tensor, passed_through
from benchmark.errors import MeasurementError
from benchmark.readout import Readout

# Relative to the largest logit. Equal kernels give 0.0; devices that pick kernels by load may differ in the last bits.
_TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-5, torch.bfloat16: 2e-2, torch.float16: 4e-3}


def prove_readout(model: nn.Module, anatomy: Anatomy, readout: Readout) -> None:
    """Check the readout of the last layer and of the first, middle and last but one.

    Raises:
        MeasurementError: a readout differs from the model; says at which layer and by how much.
    """
    device = next(model.parameters()).device
    ids = torch.arange(PROBE_TOKENS, device=device)[None]
    states, logits = _states(model, anatomy, ids)
    last = anatomy.num_layers
    _compare(readout.logits(states[-1]), logits, f"layer {last} of {last}, against the model's logits")
    for layer in sorted({1, (last + 1) // 2, last - 1} - {0, last}):
        with passed_through(anatomy.layers[layer:]), torch.inference_mode():
            truth = model(input_ids=ids, use_cache=False).logits
        what = f"layer {layer} of {last}, against the model with the later layers passed through"
        _compare(readout.logits(states[layer - 1]), truth, what)


def _states(model: nn.Module, anatomy: Anatomy, ids: Tensor) -> tuple[list[Tensor], Tensor]:
    states: list[Tensor] = []
    with ExitStack() as stack, torch.inference_mode():
        for layer in anatomy.layers:
            stack.callback(
                layer.register_forward_hook(lambda _, __, output: states.append(first_tensor(output))).remove
            )
        logits = model(input_ids=ids, use_cache=False).logits
    return states, logits


def _compare(found: Tensor, truth: Tensor, what: str) -> None:
    difference = (found.float() - truth.float()).abs().max() / truth.float().abs().max().clamp_min(1e-12)
    if not difference <= _TOLERANCE.get(truth.dtype, 1e-5):
        raise MeasurementError(
            f"the readout of {what}, is off by {difference:.2g} of the largest logit; this model cannot be measured"
        )
