"""Where a layer has two halves: the state between its first additions and its last one, found by running the layer.

Most layers add twice to the state that passes through them: what the mixer (attention, convolution, recurrence) read
from other positions, then what the MLP or the experts made of that. The state in between is as good an exit as the one
behind the layer: the layer would return it if its second half had nothing to add. That is also how it is found.

A layer is *silenced*, from some module on, when zeros take the place of all that its modules return, but for the state
itself. Where the layer is all silenced and a module still receives what entered the layer, to the last bit, there runs
its residual stream. The middle state is the last on that stream that differs from what entered the layer and from what
it returns. The proof: silenced from there on, the layer returns that state, to the last bit.

So a block that adds attention and MLP at once, one that normalizes or scales the sum, and one with a single mixer have
no halves. How a branch is scaled, of how many experts it is the sum, and in which module it is added do not matter.
"""

from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from benchmark.anatomy.layers import Anatomy, Layer
from benchmark.models.tasks import forward_logits, run_encoder
from benchmark.trace.costs import Task


@dataclass(frozen=True)
class Half:
    """Where the middle state of one layer is met: among the arguments of a module inside it, run once a pass."""

    module: nn.Module
    path: str
    argument: int | str
    """Position or keyword of the argument that is the state."""

    def state_in(self, args: tuple[Any, ...], kwargs: dict[str, Any], texts: int) -> Tensor:
        """The state among the arguments of a call, with the axes of the states that the layer returns.

        Args:
            args: positional arguments of the call.
            kwargs: its keyword arguments.
            texts: number of texts in the batch; some layers hand on the positions of all texts in one row.
        """
        state: Tensor = args[self.argument] if isinstance(self.argument, int) else kwargs[self.argument]
        return state.unflatten(0, (texts, -1)) if state.dim() == 2 else state


def find_halves(model: PreTrainedModel, task: Task, ids: Tensor, anatomy: Anatomy) -> tuple[Half | None, ...]:
    """Find the middle state of every layer, and prove it, in three forward passes.

    A layer that adds more than twice is halved in front of its last addition. So for the decoder of an encoder-decoder
    (self attention, cross attention, MLP) the first half is both attentions.

    Args:
        model: in evaluation mode.
        task: how it is run.
        ids: 1 × positions, a short text.
        anatomy: where its layers are.

    Returns:
        One entry a layer: None where it has no two halves, or no module receives the state between them, or it does not
        run silenced.
    """
    layers = anatomy.layers
    try:
        encoded = run_encoder(model, task, ids)

        def run(visits: Sequence[_Visit]) -> Sequence[_Visit]:
            with ExitStack() as stack:
                for visit in visits:
                    stack.enter_context(visit.watching())
                forward_logits(model, task, ids, encoded)
            return visits

        silent = run([_Visit(layer, silent_from=layer.module) for layer in layers])
        streams = [{half for half, _ in visit.received} for visit in silent]
        plain = run([_Visit(layer, among=stream) for layer, stream in zip(layers, streams, strict=True)])
        candidates = [visit.middle() for visit in plain]
        pairs = [(layer, half) for layer, half in zip(layers, candidates, strict=True) if half is not None]
        proofs = run([_Visit(layer, among={half}, silent_from=half.module) for layer, half in pairs])
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, TypeError, ValueError, AttributeError, IndexError, KeyError):  # whatever zeros may break
        return (None,) * len(layers)
    proven = {half for (_, half), visit in zip(pairs, proofs, strict=True) if visit.proves_middle()}
    return tuple(half if half in proven else None for half in candidates)


class _Visit:
    """One layer in one forward pass: what its modules receive and what it returns, silenced from some module on."""

    def __init__(self, layer: Layer, among: Set[Half] | None = None, silent_from: nn.Module | None = None) -> None:
        """Keep what is received at the places `among`; when None, wherever it is what entered the layer."""
        self.received: list[tuple[Half, Tensor]] = []
        self._layer = layer
        self._among = among
        self._silent_from = silent_from
        self._entered: Tensor | None = None
        self._returned: Tensor | None = None
        self._stream: Tensor | None = None  # the state, while the layer is silenced
        self._calls = 0  # of the module it is silenced from

    def middle(self) -> Half | None:
        """The first place of the last state received that is neither what entered the layer nor what it returned."""
        ends = self._entered, self._returned
        inner = [(half, state) for half, state in self.received if not any(_same(state, end) for end in ends)]
        return next((half for half, state in inner if _same(state, inner[-1][1])), None)

    def proves_middle(self) -> bool:
        """Whether the layer, silenced from the state on, returned it, and its place knows no other call in the pass."""
        return self._calls == len(self.received) == 1 and _same(self.received[0][1], self._returned)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch the passes inside the block."""
        module = self._layer.module
        with ExitStack() as stack:
            stack.callback(module.register_forward_pre_hook(self._enter, with_kwargs=True).remove)
            for name, inner in module.named_modules():
                if name:
                    hook = self._receive(f"{self._layer.path}.{name}")
                    stack.callback(inner.register_forward_pre_hook(hook, with_kwargs=True).remove)
                    stack.callback(inner.register_forward_hook(self._silence).remove)
            stack.callback(module.register_forward_hook(self._leave).remove)
            yield

    def _enter(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        state = self._layer.state_in(args, kwargs)
        self._entered = state.clone()  # a copy, here and below, because some layers add in place
        if self._silent_from is None:
            return None
        # Silenced layers leave little of a state to the next, and a normalized state passes a norm as if it were none.
        state = torch.randn(state.shape, generator=torch.Generator().manual_seed(0)).to(state)
        self._entered = state.clone()
        if module is self._silent_from:
            self._stream = self._entered
        argument = self._layer.state_argument
        if isinstance(argument, int):
            return (*args[:argument], state, *args[argument + 1 :]), kwargs
        return args, {**kwargs, argument: state}

    def _receive(self, path: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            self._calls += module is self._silent_from
            if self._entered is None or self._returned is not None:
                return  # layers may share a module
            arguments: list[tuple[int | str, Any]] = [*enumerate(args), *kwargs.items()]
            for argument, value in arguments:
                half, state = Half(module, path, argument), _as_state(value, self._entered)
                if state is None or not (_same(state, self._entered) if self._among is None else half in self._among):
                    continue
                self.received.append((half, state.clone()))
                if module is self._silent_from:
                    self._stream = self.received[-1][1]

        return hook

    def _silence(self, _: nn.Module, __: Any, output: Any) -> Any:
        return output if self._stream is None else _silenced(output, self._stream)

    def _leave(self, _: nn.Module, __: Any, output: Any) -> None:
        self._returned = self._layer.state_out(output).clone()
        self._stream = None


def _silenced(output: Any, stream: Tensor) -> Any:
    """What a module returns, with zeros in place of all numbers but the state."""
    if isinstance(output, tuple | list):
        return type(output)(_silenced(element, stream) for element in output)
    if not isinstance(output, Tensor) or not output.is_floating_point() or _same(_as_state(output, stream), stream):
        return output
    return torch.zeros_like(output)


def _as_state(value: Any, like: Tensor) -> Tensor | None:
    """A tensor in the shape of a state of one text, if it has it; some layers fold texts and positions together."""
    if not isinstance(value, Tensor):
        return None
    folded = like.shape[1:] if like.dim() == 3 and len(like) == 1 else None
    return value if value.shape == like.shape else value[None] if value.shape == folded else None


def _same(one: Tensor | None, other: Tensor | None) -> bool:
    """Equal to the last bit."""
    if one is None or other is None or (one.dtype, one.device, one.shape) != (other.dtype, other.device, other.shape):
        return False
    return torch.equal(one, other)
