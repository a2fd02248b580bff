"""One decoding step, watched layer by layer: which parameters it read, and which of them its cache needed."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from benchmark.anatomy.gradients import needed_for, reached_from, share_of
from benchmark.anatomy.layers import Anatomy, Layer
from benchmark.errors import MeasurementError

_ACTIVE_EXPERTS = ["num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_top_k", "moe_k", "top_k_experts"]
# Operations of the autograd graph that read some rows of a table.
_LOOKUP = re.compile("Embedding|Index|Select|Slice")


@dataclass(frozen=True)
class Use:
    """A parameter that a part of the model reads for one token."""

    parameter: Tensor
    owner: nn.Module
    path: str
    share: float = 1.0
    """How much of it is read: one row of a table, the active of many experts."""
    table: bool = False
    routed: bool = False
    """Whether the rest of it belongs to experts that this token does not use."""

    @property
    def bytes(self) -> float:
        """Bytes read."""
        return self.parameter.numel() * self.parameter.element_size() * self.share

    @property
    def flops(self) -> float:
        """Floating-point operations of the product with it; 0 for tables, norms and biases."""
        vector = self.parameter.dim() == 1 or self.path.endswith("bias")
        return 0.0 if self.table or vector else 2 * elements_of(self.parameter, self.owner) * self.share


@dataclass
class Part:
    """What was seen of the embedding, of one layer, or of the readout."""

    called: dict[Tensor, tuple[nn.Module, Any]] = field(default_factory=dict)
    """Parameters held by a module that ran; this module, and what it returned."""
    uses: list[Use] = field(default_factory=list)
    owed: list[Use] | None = field(default_factory=list)
    grown: bool = False
    """Whether a tensor of the cache became longer."""
    kept: bool = False
    """Whether a tensor of the cache was written and has the size it had."""


class Watch:
    """Hooks on a model: `parts` says what was seen of the embedding, of each layer, and of the readout."""

    def __init__(self, model: PreTrainedModel, anatomy: Anatomy) -> None:
        """Remember the parameters as they are before anything runs."""
        self.parts = [Part() for _ in range(anatomy.num_layers + 2)]
        self._model = model
        self._layers = anatomy.layers
        # Written down before anything runs: a module whose weights are offloaded gets new ones with each call.
        self._owned = {parameter: (path, owner) for path, owner, parameter in owned_parameters(model)}
        self._direct = {module: list(module.parameters(recurse=False)) for module in model.modules()}
        self._inside = [list(layer.module.parameters()) for layer in anatomy.layers]
        in_layers = {parameter for parameters in self._inside for parameter in parameters}
        self._outside = [parameter for parameter in self._owned if parameter not in in_layers]
        self._at = 0
        self._entered: Tensor | None = None
        self._held: dict[str, tuple[Tensor, int, torch.Size]] = {}
        self._open: tuple[int, nn.Module, tuple[Any, ...], dict[str, Any], Tensor] | None = None

    @contextmanager
    def hooks(self) -> Iterator[None]:
        """Inside the block the model is watched; it must run once."""
        inside = {module for layer in self._layers for module in layer.module.modules()}
        around = {module for module in self._model.modules() if not inside.isdisjoint(module.modules())} - inside
        with ExitStack() as stack:
            for module in set(self._model.modules()) - around:
                stack.callback(module.register_forward_hook(self._note).remove)
            for number, layer in enumerate(self._layers, start=1):
                module = layer.module
                stack.callback(module.register_forward_pre_hook(self._enter(number, layer), with_kwargs=True).remove)
                stack.callback(module.register_forward_hook(self._leave(number, layer), with_kwargs=True).remove)
            yield

    def finish(self, logits: Tensor) -> None:
        """Read off what the readout needed."""
        self._close()
        self._read(self.parts[-1], [logits], self._outside)

    def _note(self, module: nn.Module, _: Any, output: Any) -> None:
        for parameter in self._direct[module]:
            self.parts[self._at].called[parameter] = module, output

    def _enter(self, number: int, layer: Layer) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            state = layer.state_in(args, kwargs)
            if number == 1:
                self._read(self.parts[0], _tensors((args, kwargs)).values(), self._outside)
                if not state.requires_grad:  # of packed weights only what they give to a state can be seen
                    state.requires_grad_()
            self._close()
            self._at, self._entered = number, state
            self._held = _snapshot(module, args, kwargs)

        return hook

    def _leave(self, number: int, layer: Layer) -> Callable[..., Any]:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
            self._at = number + 1
            self._open = number, module, args, kwargs, layer.state_out(output)
            # The graph of a layer ends where the layer begins. A copy, because some layers add to what they are given.
            state = layer.state_out(output).detach().requires_grad_().clone()
            return state if layer.container is None else layer.container([state, *output[1:]])

        return hook

    def _close(self) -> None:
        """Read off what the last layer that ran needed; not before the next begins, as some caches are written late."""
        if self._open is None:
            return
        number, module, args, kwargs, state = self._open
        part, written = self.parts[number], []
        for path, (tensor, version, shape) in _snapshot(module, args, kwargs).items():
            before = self._held.get(path)
            if tensor.is_floating_point() and (before is None or before[0] is not tensor or before[1] != version):
                written.append(tensor)
                same_size = before is not None and shape == before[2]
                part.grown |= not same_size
                part.kept |= same_size
        self._read(part, [state, *written], self._inside[number - 1])
        part.owed = self._owed(part, written, self._inside[number - 1]) if written else []
        part.called.clear()
        if self._entered is not None:
            _let_go([state, *written], self._entered)
        self._open = None

    def _read(self, part: Part, results: Iterable[Tensor], candidates: Iterable[Tensor]) -> None:
        """Note which parameters the results need: those they were computed from, and those of modules that ran."""
        results = list(results)
        reached = reached_from(results)
        for parameter in dict.fromkeys([*candidates, *part.called]):
            path, owner = self._owned[parameter]
            experts = "experts" in path.split(".")
            if parameter in part.called:
                owner = part.called[parameter][0]
            if parameter in reached or parameter in part.called:
                # A table is read by looking up a row; the same tensor is not a table when it is the output head.
                table = isinstance(owner, nn.Embedding) and all(map(_LOOKUP.match, reached.get(parameter, ())))
                use = Use(parameter, owner, path, 1 / parameter.shape[0] if table else 1.0, table)
                fused = not type(owner).__module__.startswith("torch.nn") and (parameter.dim() > 2 or experts)
                if fused or experts:
                    share = self._active(use, results, fused)
                    use = replace(use, share=share, routed=share < 1)
                part.uses.append(use)
            elif experts:
                part.uses.append(Use(parameter, owner, path, share=0.0, routed=True))

    def _active(self, use: Use, results: list[Tensor], fused: bool) -> float:
        """Share of the experts in a parameter that the results depend on."""
        try:
            needed = None if is_opaque(use.parameter) else next(needed_for(results, [use.parameter]))
        except RuntimeError:  # no memory for it, or a kernel without a backward pass
            needed = None
        if needed is None:
            return self._configured(use.parameter) if fused and "experts" in use.path.split(".") else 1.0
        return share_of(needed, 0) if fused else float(needed.any())

    def _configured(self, parameter: Tensor) -> float:
        config = self._model.config.get_text_config(decoder=True)
        active = [getattr(config, name, None) for name in _ACTIVE_EXPERTS]
        for number in active:
            if isinstance(number, int):
                return min(1.0, number / parameter.shape[0])
        raise MeasurementError(
            f"{type(self._model).__name__}: how many of {parameter.shape[0]} experts a token uses cannot be seen in a "
            f"forward pass, and the config has none of {', '.join(_ACTIVE_EXPERTS)}"
        )

    def _owed(self, part: Part, written: list[Tensor], weights: Sequence[Tensor]) -> list[Use] | None:
        """What the written tensors need; None if some of it is out of sight."""
        known = {use.parameter for use in part.uses}
        uses = [use for use in part.uses if use.share]
        seen = [self._visible(use, part) for use in uses]
        if not all(tensor is not None and tensor.requires_grad for tensor in [*seen, *written]):
            return None
        if any(is_opaque(weight) and weight not in known for weight in weights):
            return None
        masks = needed_for(written, [tensor for tensor in seen if tensor is not None], projections=3)
        owed = []
        try:
            for use, mask in zip(uses, masks, strict=True):
                if mask is not None and mask.any():
                    owed.append(replace(use, share=min(use.share, self._owed_share(use, mask, part))))
        except RuntimeError:  # a kernel without a backward pass
            return None
        return owed

    def _owed_share(self, use: Use, mask: Tensor, part: Part) -> float:
        """Share of a parameter that the cache needs: the keys' and values' features of a fused matrix or its bias.

        Only features that go out count. Those that come in are read all, also where the token's state is zero.
        """
        if is_opaque(use.parameter):
            return share_of(mask, -1)
        if mask.dim() == 1:
            return share_of(mask, 0) if use.path.endswith("bias") else 1.0
        _, output = part.called.get(use.parameter, (None, None))
        widths = {tensor.shape[-1] for tensor in _tensors(output).values() if tensor.dim()}
        turned = mask.dim() == 2 and mask.shape[0] not in widths and mask.shape[1] in widths
        return share_of(mask, 1 if turned else 0)

    def _visible(self, use: Use, part: Part) -> Tensor | None:
        """Where the gradient of a parameter shows: in itself, else in what the module that holds it returned."""
        if not is_opaque(use.parameter):
            return use.parameter
        module, output = part.called[use.parameter]
        if next(module.children(), None) is not None:  # it may use the parameter for something that it does not return
            return None
        return next((tensor for tensor in _tensors(output).values() if tensor.requires_grad), None)


def is_opaque(parameter: Tensor) -> bool:
    """Whether it can have no gradient: packed weights of a quantized model, or weights that are somewhere else."""
    return (
        parameter.is_meta
        or parameter.is_inference()
        or not parameter.dtype.is_floating_point
        or parameter.element_size() == 1
    )


def elements_of(parameter: Tensor, owner: nn.Module) -> int:
    """Elements of a parameter; of a packed matrix those it stands for."""
    rows, columns = getattr(owner, "out_features", None), getattr(owner, "in_features", None)
    if parameter.is_floating_point() or not isinstance(rows, int) or not isinstance(columns, int):
        return parameter.numel()
    return rows * columns


def owned_parameters(model: nn.Module) -> Iterator[tuple[str, nn.Module, Tensor]]:
    """Every parameter with its path and the module that holds it; a tied one each time."""
    for path, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            yield f"{path}.{name}", module, parameter


def _let_go(results: Sequence[Tensor], entered: Tensor) -> None:
    """Free the graph between what entered a layer and its results: it keeps weights that nobody else may have."""
    ends = [result for result in results if result.requires_grad]
    with suppress(RuntimeError):  # a kernel without a backward pass
        torch.autograd.grad(ends, [entered], [torch.ones_like(end) for end in ends], allow_unused=True)


def _tensors(value: Any, path: str = "", seen: set[int] | None = None) -> dict[str, Tensor]:
    """Every tensor in arguments of a call, however deep in a cache, by where it is."""
    seen = set() if seen is None else seen
    if isinstance(value, Tensor):
        return {path: value}
    if id(value) in seen or isinstance(value, nn.Module | type):
        return {}
    seen.add(id(value))
    if isinstance(value, dict):
        items = [(str(key), part) for key, part in value.items()]
    elif isinstance(value, list | tuple):
        items = [(str(index), part) for index, part in enumerate(value)]
    else:
        items = list(vars(value).items()) if hasattr(value, "__dict__") else []
    return {at: tensor for key, part in items for at, tensor in _tensors(part, f"{path}.{key}", seen).items()}


def _snapshot(module: nn.Module, args: Any, kwargs: Any) -> dict[str, tuple[Tensor, int, torch.Size]]:
    """The tensors that a layer could keep something in, with what tells a change."""
    given = [{str(key): value for key, value in place} for place in (enumerate(args), kwargs.items())]
    own = {path: [*vars(part).items(), *part._buffers.items()] for path, part in module.named_modules()}
    places = {f"{path}.{name}": value for path, items in own.items() for name, value in items}
    held = {path: value for path, value in places.items() if isinstance(value, Tensor) and not value.is_meta}
    for values in given:  # a tensor that is given by itself is not a cache
        held |= _tensors({key: value for key, value in values.items() if not isinstance(value, Tensor)}, "given")
    return {
        path: (tensor, 0 if tensor.is_inference() else tensor._version, tensor.shape) for path, tensor in held.items()
    }
