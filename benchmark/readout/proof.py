"""No number without proof: at load, the readout is held against the model itself.

Four statements are checked on a short input. The readout of layer L gives the model's logits. The readout of an inner
layer gives what the model gives when every later layer is passed through. Both sides run the same kernels on the same
shapes, so they are expected to be equal to the last bit. The readout of one position does not depend on the others, and
neither does what enters the first layer: so no layer was left out behind the stack or in front of it.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.utils import ModelOutput

from benchmark.anatomy.hooks import passed_through
from benchmark.anatomy.layers import Anatomy, find_anatomy
from benchmark.anatomy.watch import Watch
from benchmark.errors import MeasurementError
from benchmark.models.tasks import forward_logits, run_encoder
from benchmark.readout.model_readout import HUGE, Readout
from benchmark.readout.reader import TOLERANCE
from benchmark.trace.costs import Task

REMEDY = "if its layers were found wrongly, name them with 'layer_stack' and 'seam' in the entry"


def dissect(
    model: PreTrainedModel,
    task: Task,
    ids: Tensor,
    stack: str | None = None,
    seam: str | None = None,
    every_layer: bool = False,
) -> tuple[Anatomy, Readout, float]:
    """Find the layers of a model and its readout, and prove them.

    Args:
        model: in evaluation mode.
        task: how it is run.
        ids: 1 × positions, a short text.
        stack: module path of the layer stack, where it is not to be found by watching.
        seam: module path of the seam, likewise.
        every_layer: prove the readout of every layer, not of four.

    Returns:
        Anatomy, readout, and the largest difference met, relative to the largest logit.

    Raises:
        MeasurementError: it cannot be done, or not proven; says why.
    """
    try:
        anatomy = find_anatomy(model, task, ids, stack, seam)
        readout = Readout(model, anatomy, task)
        try:
            return anatomy, readout, prove_readout(model, anatomy, readout, task, ids, every_layer)
        except MeasurementError as error:
            error.add_note(
                f"found: layer stack '{anatomy.stack_path}', {anatomy.num_layers} layers; seam '{anatomy.seam_path}'"
            )
            raise
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, TypeError, ValueError, AttributeError, IndexError, KeyError) as error:
        # A model that passes something else between its layers trips over what it is given in its place.
        reason = " ".join(str(error).split())[:150]
        raise MeasurementError(
            f"the readout cannot be run apart from the layers ({type(error).__name__}: {reason})"
        ) from error


def prove_readout(
    model: PreTrainedModel, anatomy: Anatomy, readout: Readout, task: Task, ids: Tensor, every_layer: bool = False
) -> float:
    """Check the readout of the last layer and of the first, middle and last but one, or of every layer.

    Returns:
        The largest difference met, relative to the largest logit.

    Raises:
        MeasurementError: a readout differs from the model; says at which layer and by how much.
    """
    encoded = run_encoder(model, task, ids)
    states, logits = _layer_states(model, anatomy, task, ids, encoded)
    last = anatomy.num_layers
    if broken := [layer for layer, state in enumerate(states, start=1) if state.isnan().any()]:
        raise MeasurementError(
            f"the states are NaN from layer {broken[0]} of {last} on; its weights are damaged or overflow in this dtype"
        )
    alone = readout.logits(anatomy.last_position(states[-1]))
    _compare(alone, logits[:, -1:], "the last position alone against the same position in its text")
    worst = _compare(readout.logits(states[-1]), logits, f"layer {last} of {last} against the model's logits")
    inner = range(1, last) if every_layer else sorted({1, (last + 1) // 2, last - 1} - {0, last})
    for layer in inner:
        with passed_through(anatomy.layers[layer:]):
            truth = forward_logits(model, task, ids, encoded)
        what = f"layer {layer} of {last} against the model with the later layers passed through"
        worst = max(worst, _compare(readout.logits(states[layer - 1]), truth, what))
    _refuse_mixing_in_front(model, anatomy, task, ids, encoded)
    if task == "causal":
        _refuse_looking_ahead(model, ids, logits)
    return worst


def _layer_states(
    model: PreTrainedModel, anatomy: Anatomy, task: Task, ids: Tensor, encoded: ModelOutput | None
) -> tuple[list[Tensor], Tensor]:
    """Outputs of layers 1..L in one forward pass, and the model's logits."""
    states: list[Tensor] = []
    with Watch(anatomy, lambda _, state: states.append(state)).hooks():
        logits = forward_logits(model, task, ids, encoded)
    return states, logits


def _refuse_mixing_in_front(
    model: PreTrainedModel, anatomy: Anatomy, task: Task, ids: Tensor, encoded: ModelOutput | None
) -> None:
    """What enters the first layer at the last position must not change with the first token."""
    first = anatomy.layers[0]
    entering: list[Tensor] = []

    def keep(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        entering.append(anatomy.last_position(first.state_in(args, kwargs)).clone())

    other = ids.clone()
    other[:, 0] = ids[:, 1]
    handle = first.module.register_forward_pre_hook(keep, with_kwargs=True)
    try:
        with passed_through(anatomy.layers):
            for tokens in (ids, other):
                forward_logits(model, task, tokens, encoded)
    finally:
        handle.remove()
    if not torch.equal(*entering):
        raise MeasurementError(
            f"what enters '{first.path}' already mixes positions, so layers in front of '{anatomy.stack_path}' "
            f"would be missed; {REMEDY}"
        )


def _refuse_looking_ahead(model: PreTrainedModel, ids: Tensor, logits: Tensor) -> None:
    """What a model that writes says of a text must not change with the tokens that follow."""
    other = ids.clone()
    other[:, -1] = ids[:, 0]
    after = forward_logits(model, "causal", other, None)[:, :-1].float()
    before = logits[:, :-1].float()
    if (after - before).abs().max() > TOLERANCE.get(logits.dtype, 1e-5) * before.abs().max():
        raise MeasurementError(
            f"{type(model).__name__} looks ahead: what it says of a text changes with the tokens that follow; load an "
            "encoder as one, and give a decoder a config.json with is_decoder: true"
        )


def _compare(found: Tensor, truth: Tensor, what: str) -> float:
    if found.shape != truth.shape:
        raise MeasurementError(
            f"the readout of {what} has logits of shape {tuple(found.shape)}, not {tuple(truth.shape)}"
        )
    if not truth.float().abs().max() <= HUGE:
        raise MeasurementError(f"the model's logits are not finite, or mask a part of the vocabulary ({what})")
    difference = float((found.float() - truth.float()).abs().max() / truth.float().abs().max().clamp_min(1e-12))
    if not difference <= TOLERANCE.get(truth.dtype, 1e-5):
        raise MeasurementError(f"the readout of {what} is off by {difference:.2g} of the largest logit; {REMEDY}")
    return difference
