"""Where the layers of a model are and where its readout begins, found by watching one forward pass.

No list of class names: the layer stack is the container whose children run one after the other, each on what the one
before returned; the seam is the first module that receives what the last layer returned. Everything behind the seam
(final norm, projection, head, scaling, soft-cap) is the readout, and the model itself computes it.
"""

import itertools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.errors import MeasurementError

PROBE_TOKENS = 5


@dataclass(frozen=True)
class Anatomy:
    """The layer stack and the seam of one model."""

    layers: tuple[nn.Module, ...]
    """In the order in which they run."""
    seam: nn.Module
    """First module behind the last layer; what enters it is the state that is read out."""
    stack_path: str
    seam_path: str

    @property
    def num_layers(self) -> int:
        """L, the number of exits."""
        return len(self.layers)


def find_anatomy(model: nn.Module) -> Anatomy:
    """Run one short forward pass and read layer stack and seam off it.

    Raises:
        MeasurementError: no container of modules works as a stack of layers, or nothing follows it.
    """
    calls = _watch(model)
    by_module: dict[str, list[_Call]] = {}
    for call in calls:
        by_module.setdefault(call.path, []).append(call)
    stacks = []
    for path, container in model.named_modules():
        if isinstance(container, nn.ModuleList | nn.Sequential) and len(container) > 0:
            chain = [by_module.get(f"{path}.{name}" if path else name, []) for name, _ in container.named_children()]
            if _is_chain(chain):
                stacks.append((sum(p.numel() for p in container.parameters()), path, [call[0] for call in chain]))
    if not stacks:
        raise MeasurementError(
            f"{type(model).__name__}: no layer stack found: no module list runs each on what the one before returned"
        )
    _, stack_path, chain_calls = max(stacks, key=lambda stack: stack[0])
    last = chain_calls[-1]
    for call in calls:
        if call.entered > last.left and any(tensor is last.output for tensor in call.inputs):
            modules = dict(model.named_modules())
            layers = tuple(modules[layer.path] for layer in chain_calls)
            return Anatomy(layers, modules[call.path], stack_path, call.path)
    raise MeasurementError(f"{type(model).__name__}: no module takes the output of the last layer of '{stack_path}'")


@contextmanager
def passed_through(layers: tuple[nn.Module, ...]) -> Iterator[None]:
    """Inside the block these layers return the state they are given. The model is restored on leaving it."""

    def identity(state: Tensor, *_: Any, **__: Any) -> Tensor:
        return state

    with ExitStack() as stack:
        for layer in layers:
            stack.enter_context(_replaced_forward(layer, identity))
        yield


@contextmanager
def replaced_input(module: nn.Module, state: Tensor) -> Iterator[None]:
    """Inside the block the module's first argument is `state`, whatever it is called with."""

    def swap(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if args:
            return (state, *args[1:]), kwargs
        return args, {**kwargs, next(iter(kwargs)): state}

    handle = module.register_forward_pre_hook(swap, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def first_tensor(output: Any) -> Tensor:
    """The state in what a layer returned: the output itself, or its first element."""
    return output if isinstance(output, Tensor) else output[0]


@contextmanager
def _replaced_forward(module: nn.Module, forward: Any) -> Iterator[None]:
    # Libraries such as accelerate put their own `forward` on the instance; give back exactly what was there.
    own = module.__dict__.get("forward")
    module.forward = forward
    try:
        yield
    finally:
        if own is None:
            del module.forward
        else:
            module.forward = own


@dataclass
class _Call:
    path: str
    entered: int
    inputs: list[Tensor]
    left: int = -1
    output: Tensor | None = field(default=None)


def _watch(model: nn.Module) -> list[_Call]:
    """Every module call of one forward pass, in the order of entering, with its tensors kept alive for comparison."""
    clock = iter(range(10**9))
    calls: list[_Call] = []
    open_calls: list[_Call] = []

    def enter(path: str) -> Any:
        def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
            call = _Call(path, next(clock), tensors)
            calls.append(call)
            open_calls.append(call)

        return hook

    def leave(_: nn.Module, __: Any, output: Any) -> None:
        call = open_calls.pop()
        call.left = next(clock)
        value = output[0] if isinstance(output, tuple | list) and output else output
        call.output = value if isinstance(value, Tensor) else None

    with ExitStack() as stack, torch.inference_mode():
        for path, module in model.named_modules():
            if path:
                stack.callback(module.register_forward_pre_hook(enter(path), with_kwargs=True).remove)
                stack.callback(module.register_forward_hook(leave).remove)
        device = next(model.parameters()).device
        model(torch.arange(PROBE_TOKENS, device=device)[None], use_cache=False)
    return calls


def _is_chain(chain: list[list[_Call]]) -> bool:
    """Whether the modules ran once each, in order, every one on the output of the one before."""
    if not all(len(calls) == 1 and calls[0].output is not None for calls in chain):
        return False
    order = [calls[0] for calls in chain]
    return all(
        earlier.left < later.entered and any(tensor is earlier.output for tensor in later.inputs)
        for earlier, later in itertools.pairwise(order)
    )
