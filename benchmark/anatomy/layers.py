"""Where the layers of a model are and where its readout begins, found by watching one forward pass.

No list of class names. The layer stack is the list of modules that run one after the other, each turning a state into
a state of the same shape, and that holds most of the parameters. Whatever the model does with what the last layer
returned (final norm, projection, head, scaling, soft-cap) is the readout, and the model itself computes it: see
`benchmark.anatomy.hooks.read_out`.
"""

import itertools
import math
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from benchmark.errors import MeasurementError
from benchmark.models.tasks import forward_logits, run_encoder
from benchmark.trace.costs import Task


@dataclass(frozen=True)
class Layer:
    """One layer of the stack: how a state goes in and comes out."""

    module: nn.Module
    path: str
    state_argument: int | str
    """Position or keyword of the argument that is the state."""
    container: type | None
    """`tuple` or `list` when the state is the first element of what the layer returns, None when it is all of it."""
    companions: int
    """Elements the layer returns besides the state."""

    def state_in(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        """The state among the arguments of a call."""
        return args[self.state_argument] if isinstance(self.state_argument, int) else kwargs[self.state_argument]

    def state_out(self, output: Any) -> Tensor:
        """The state in what the layer returned."""
        return output if self.container is None else output[0]

    def with_state(self, output: Any, state: Tensor) -> Any:
        """Return what the layer returned, with another state in it."""
        return state if self.container is None else self.container([state, *output[1:]])

    def returning(self, state: Tensor) -> Any:
        """What the layer would return with this state and nothing beside it."""
        return state if self.container is None else self.container([state, *[None] * self.companions])


@dataclass(frozen=True)
class Anatomy:
    """The layer stack of one model and the seam behind it."""

    layers: tuple[Layer, ...]
    """In the order in which they run."""
    stack_path: str
    """Module path of the list they are in."""
    seam_path: str
    """First module behind the last layer that receives what it returned."""
    state_shape: tuple[int, ...]
    """Shape of a state of one text and one position. Mostly (1, 1, d); some models have more axes or another order."""
    state_dtypes: tuple[torch.dtype, ...]
    """Of what each layer returns; some models keep the residual stream in float32."""
    batch_axis: int
    position_axis: int
    seam: nn.Module | None = None
    """Where the entry names a seam: the module whose input is replaced to read a state out."""

    @property
    def num_layers(self) -> int:
        """L, the number of exits."""
        return len(self.layers)

    @property
    def state_bytes(self) -> int:
        """Bytes of the states of one token behind all layers."""
        return math.prod(self.state_shape) * sum(dtype.itemsize for dtype in self.state_dtypes)

    def select(self, state: Tensor, texts: Tensor, positions: Tensor) -> Tensor:
        """The states of some (text, position) pairs, in the layout of as many texts of one position."""
        picked = state.movedim((self.batch_axis, self.position_axis), (0, 1))[texts, positions]
        return picked.unsqueeze(1).movedim((0, 1), (self.batch_axis, self.position_axis))

    def last_position(self, state: Tensor) -> Tensor:
        """The state of the last position, its axis kept."""
        return state.narrow(self.position_axis, state.shape[self.position_axis] - 1, 1)


def find_anatomy(
    model: PreTrainedModel, task: Task, ids: Tensor, stack: str | None = None, seam: str | None = None
) -> Anatomy:
    """Run one forward pass and read layer stack and seam off it.

    Args:
        model: in evaluation mode.
        task: how it is run.
        ids: 1 × positions, at least 3.
        stack: module path of the layer stack, for a model that is read wrongly without.
        seam: module path of the seam, likewise.

    Raises:
        MeasurementError: nothing works as a stack of layers, or what the entry names does not.
    """
    # Two texts, so that the axes of a state can be told apart by their length.
    pair = ids.expand(2, -1)
    calls = _watch(model, task, pair)
    modules = dict(model.named_modules())
    for field, path in (("layer_stack", stack), ("seam", seam)):
        if path is not None and path not in modules:
            raise MeasurementError(f"field '{field}': the model has no module '{path}'")
    stacks = {path: _as_stack(path, module, calls) for path, module in modules.items() if stack in (None, path)}
    chains = {path: chain for path, chain in stacks.items() if chain}
    if not chains:
        repeated = next((path for path, module in modules.items() if _runs_repeatedly(path, module, calls)), None)
        raise MeasurementError(
            f"{type(model).__name__}: {f'module {stack!r} is not a layer stack' if stack else 'no layer stack found'}: "
            + (f"'{repeated}' runs more than once for a token" if repeated else "no modules run one after the other")
            + "; if there is one, name it with 'layer_stack' in the entry"
        )

    def weight(path: str) -> tuple[int, int]:
        return sum(parameter.numel() for parameter in modules[path].parameters()), len(chains[path])

    stack_path = max(chains, key=weight)
    chain = chains[stack_path]
    layers = tuple(_layer(call, modules[call.path]) for call in chain)
    shape = list(layers[-1].state_out(chain[-1].output).shape)
    batch_axis, position_axis = _axes(shape, *pair.shape)
    shape[batch_axis] = shape[position_axis] = 1
    return Anatomy(
        layers=layers,
        stack_path=stack_path,
        seam_path=seam or _seam_path(chain[-1], calls),
        state_shape=tuple(shape),
        state_dtypes=tuple(layer.state_out(call.output).dtype for layer, call in zip(layers, chain, strict=True)),
        batch_axis=batch_axis,
        position_axis=position_axis,
        seam=modules[seam] if seam else None,
    )


@dataclass
class _Call:
    """One call of a module. It keeps its tensors alive, so that they can be told apart by identity."""

    path: str
    entered: int
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    left: int = -1
    output: Any = None

    def tensors(self) -> list[Tensor]:
        return [value for value in (*self.args, *self.kwargs.values()) if isinstance(value, Tensor)]

    @property
    def state(self) -> Tensor | None:
        value = self.output[0] if isinstance(self.output, tuple | list) and self.output else self.output
        return value if isinstance(value, Tensor) and value.is_floating_point() and value.dim() >= 3 else None

    @property
    def state_argument(self) -> Any:
        """Where a tensor of the output's shape comes in."""
        state = self.state
        if state is None:
            return None
        for key, value in [*enumerate(self.args), *self.kwargs.items()]:
            if isinstance(value, Tensor) and value.shape == state.shape and value.is_floating_point():
                return key
        return None


def _axes(shape: list[int], texts: int, positions: int) -> tuple[int, int]:
    """Axes of the texts and of the positions: side by side, in either order, as far in front as possible."""
    for axis, sizes in enumerate(itertools.pairwise(shape)):
        if sizes == (texts, positions):
            return axis, axis + 1
        if sizes == (positions, texts):
            return axis + 1, axis
    raise MeasurementError(f"the layers return states of shape {tuple(shape)} for {texts} texts of {positions} tokens")


def _watch(model: PreTrainedModel, task: Task, ids: Tensor) -> list[_Call]:
    """Every module call of one forward pass, in the order of entering."""
    encoded = run_encoder(model, task, ids)
    clock = iter(range(10**9))
    calls: list[_Call] = []
    open_calls: list[_Call] = []

    def enter(path: str) -> Callable[..., None]:
        def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            call = _Call(path, next(clock), args, kwargs)
            calls.append(call)
            open_calls.append(call)

        return hook

    def leave(_: nn.Module, __: Any, output: Any) -> None:
        call = open_calls.pop()
        call.left, call.output = next(clock), output

    with ExitStack() as stack:
        for path, module in model.named_modules():
            if path:
                stack.callback(module.register_forward_pre_hook(enter(path), with_kwargs=True).remove)
                stack.callback(module.register_forward_hook(leave).remove)
        forward_logits(model, task, ids, encoded)
    return calls


def _as_stack(path: str, container: nn.Module, calls: list[_Call]) -> list[_Call] | None:
    """The calls of a container's children, when these work as the layers of a stack."""
    if not isinstance(container, nn.ModuleList | nn.Sequential | nn.ModuleDict) or len(container) == 0:
        return None
    children = {f"{path}.{name}" for name, _ in container.named_children()}
    # Not all have to run: a text passes by the layers that only look at pictures.
    chain = [call for call in calls if call.path in children]
    if not chain or len({call.path for call in chain}) != len(chain):
        return None
    shapes = {call.state.shape if call.state is not None else None for call in chain}
    in_turn = all(earlier.left < later.entered for earlier, later in itertools.pairwise(chain))
    if not in_turn or len(shapes) != 1 or any(call.state_argument is None for call in chain):
        return None
    return chain


def _seam_path(last: _Call, calls: list[_Call]) -> str:
    behind = [call for call in calls if call.entered > last.left]
    receives = [call for call in behind if any(tensor is last.state for tensor in call.tensors())]
    return next((call.path for call in receives or behind), "")


def _runs_repeatedly(path: str, container: nn.Module, calls: list[_Call]) -> bool:
    if not isinstance(container, nn.ModuleList | nn.Sequential) or not path:
        return False
    counts = [sum(call.path == f"{path}.{name}" for call in calls) for name, _ in container.named_children()]
    return any(count > 1 for count in counts)


def _layer(call: _Call, module: nn.Module) -> Layer:
    argument = call.state_argument
    assert argument is not None
    if isinstance(call.output, Tensor):
        return Layer(module, call.path, argument, None, 0)
    container = list if isinstance(call.output, list) else tuple
    return Layer(module, call.path, argument, container, len(call.output) - 1)
