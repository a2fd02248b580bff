"""A model is left as it was: what it changes about itself while it runs is put back.

Some do. BigBird swaps its attention for another kind at the first short text, for good; RWKV rescales weights in place
when it is first evaluated; others keep tables, or the state of a text, on themselves. What such a model says of a text
would depend on the texts before it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import is_
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import PretrainedConfig, PreTrainedModel

from benchmark.errors import MeasurementError
from benchmark.models.tasks import forward_logits, run_encoder
from benchmark.trace.costs import Task

_CONTAINERS, _CONFIG = (dict, list, set), PretrainedConfig
_EMPTY: tuple[()] = ()


@contextmanager
def unchanged(model: PreTrainedModel, rewritten: Sequence[Tensor] = ()) -> Iterator[None]:
    """Put back, on leaving the block, what its modules and its config were on entering it.

    Args:
        model: runs inside the block.
        rewritten: its parameters and buffers that it writes into while it runs, as `rewritten_tensors` found them.

    Raises:
        MeasurementError: on leaving, if the model wrote into other tensors of its own.
    """
    values = [(tensor, tensor.clone()) for tensor in rewritten]
    kept = {id(tensor) for tensor in rewritten}
    versions = [(tensor, tensor._version) for tensor in _tensors(model) if id(tensor) not in kept]
    with _same_attributes(model):
        try:
            yield
        finally:
            _write(values)
    if any(tensor._version != version for tensor, version in versions):
        raise MeasurementError("the model rewrites its own weights while it runs, so no two texts see the same model")


def rewritten_tensors(model: PreTrainedModel, task: Task, ids: Tensor) -> tuple[Tensor, ...]:
    """Return the parameters and buffers of a model that it writes into when it runs; they are as before afterwards.

    Args:
        model: in evaluation mode.
        task: how it is run.
        ids: 1 × positions, a short text.

    Raises:
        MeasurementError: it writes into weights that are not there.
    """
    writes = _Writes(_tensors(model))
    with _same_attributes(model):
        try:
            with writes:
                forward_logits(model, task, ids, run_encoder(model, task, ids))
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, TypeError, ValueError, AttributeError, LookupError):
            pass  # whoever runs it next says why it cannot be run
        finally:
            _write(writes.found)
    return tuple(tensor for tensor, _ in writes.found)


class _Writes(TorchDispatchMode):
    """Keeps a copy of each of some tensors from before the first operation that writes into it."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        super().__init__()
        self.found: list[tuple[Tensor, Tensor]] = []
        self._watched = {_place(tensor): tensor for tensor in tensors if tensor.numel() and not tensor.is_meta}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for argument, value in zip(func._schema.arguments, args, strict=False):
            writes = argument.alias_info is not None and argument.alias_info.is_write
            if writes and isinstance(value, Tensor):
                tensor = self._watched.pop(_place(value), None)
                if tensor is not None and torch._debug_has_internal_overlap(tensor) == 1:
                    raise MeasurementError(
                        "the model rewrites weights of layers from outside, so these cannot be streamed; remove "
                        "'device_map: stream'"
                    )
                if tensor is not None:
                    self.found.append((tensor, tensor.clone()))
        return func(*args, **(kwargs or {}))


@contextmanager
def _same_attributes(model: PreTrainedModel) -> Iterator[None]:
    """Put back, on leaving the block, the attributes of the modules of a model, and of their configs."""
    modules = list(model.modules())
    configs = {id(config): config for module in modules if isinstance(config := vars(module).get("config"), _CONFIG)}
    before = [(vars(one), _copy(vars(one))) for one in (*modules, *configs.values())]
    try:
        yield
    finally:
        for fields, were in before:
            _restore(fields, were)


def _write(values: Sequence[tuple[Tensor, Tensor]]) -> None:
    """Write into each tensor the value that stands beside it."""
    with torch.inference_mode():
        for tensor, value in values:
            tensor.copy_(value)


def _place(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _tensors(model: nn.Module) -> list[Tensor]:
    """Return the parameters and buffers whose writes are counted; those made in inference mode are not.

    Of those that are spread over ranks, the part that is here.
    """
    with torch.no_grad():
        here = [one.to_local() if isinstance(one, DTensor) else one for one in (*model.parameters(), *model.buffers())]
    return [tensor for tensor in here if not tensor.is_inference()]


def _copy(fields: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return attributes, and beside each container a copy of it, its items as they are."""
    return {name: (value, _items(value)) for name, value in fields.items()}


def _items(value: Any) -> Any:
    """Return a copy of a container, and None of anything else.

    Empty ones share one: a module has a dozen for hooks, and copying them takes most of the time.
    """
    if not isinstance(value, _CONTAINERS):
        return None
    return value.copy() if value else _EMPTY


def _restore(fields: dict[str, Any], before: dict[str, tuple[Any, Any]]) -> None:
    """Make attributes what they were. Containers stay the objects that they are: others hold on to them."""
    for name in fields.keys() - before.keys():
        del fields[name]
    for name, (value, items) in before.items():
        if fields.get(name) is not value or name not in fields:
            fields[name] = value
        if items is not None and (value or items) and not _same_items(value, items):
            value.clear()
            value.extend(items) if isinstance(value, list) else value.update(items)


def _same_items(one: Any, other: Any) -> bool:
    """Whether two containers of a kind hold the same objects, in the same order."""
    if isinstance(one, dict):
        return list(one) == list(other) and all(one[key] is other[key] for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(is_, one, other))
    return bool(one == other)
