"""Models that are larger than the memory of their device: a layer's weights are read from the files when it runs.

Embedding, head and all that stands outside the layers stay on the device, and so do buffers and what several layers
share. The parameters of a layer are hollow while it does not run: one NaN in their shape, which takes no memory. Who
reads them then gets NaN, which no proof lets pass, and who writes into them an error; nothing is wrong in silence. When
the layer runs, they hold what the files say, and are hollow again behind it.

Which tensors of the files make a parameter, and how (experts that lie there one by one are stacked), is decided by the
code with which transformers loads a whole model. Nothing is copied to disk, which accelerate's offloading does with all
that is not stored as it is used.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from transformers import GenerationConfig, PretrainedConfig, PreTrainedModel
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import (
    WeightConverter,
    WeightRenaming,
    convert_and_load_state_dict_in_model,
    rename_source_key,
)
from transformers.modeling_utils import LoadStateDictConfig

from benchmark.errors import MeasurementError
from benchmark.models.checkpoint import Shapes
from benchmark.models.tasks import AUTO_CLASS
from benchmark.trace.costs import Task


class _Header(torch.Tensor):
    """A tensor of a file of which type and shape are known, and which no device is to hold."""

    def to(self, *_: Any, dtype: torch.dtype | None = None, **__: Any) -> Tensor:
        """Return another such tensor, of another type, wherever it is asked to go."""
        return self.as_subclass(Tensor).to(dtype=dtype)


def without_weights(
    folder: Path, config: PretrainedConfig, task: Task, dtype: str, shapes: Shapes
) -> tuple[PreTrainedModel, dict[str, Any]]:
    """Return a model whose parameters take no memory, and what transformers reports of loading it.

    Args:
        folder: of the model.
        config: as it lies there.
        task: how the model is run.
        dtype: of the weights, or `auto`.
        shapes: what the files hold.
    """
    headers = {
        name: torch.empty(shape, dtype=getattr(torch, _TYPES[kind]), device="meta").as_subclass(_Header)
        for name, (kind, shape) in shapes.items()
    }
    with torch.device("meta"):
        kind_of_model = type(AUTO_CLASS[task].from_config(config))
    model, report = kind_of_model.from_pretrained(
        None, config=config, state_dict=headers, dtype=dtype, output_loading_info=True, ignore_mismatched_sizes=True
    )
    model.config.name_or_path = model.name_or_path = str(folder)
    if model.can_generate():
        with suppress(OSError):  # many checkpoints have none, and the config says what it would
            model.generation_config = GenerationConfig.from_pretrained(folder, local_files_only=True)
    return model, report


_TYPES = {
    **{"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "BOOL": "bool"},
    **{f"I{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    "U8": "uint8",
}
"""What torch calls the types of safetensors; packed weights have others, and are not streamed."""


class LayerStream:
    """The layers of one model, whose weights are read each time that they run."""

    def __init__(self, model: PreTrainedModel, files: Sequence[Path], device: torch.device, stack: str | None) -> None:
        """Bring to the device what stays there, and make the layers read their weights.

        Args:
            model: as `without_weights` returns it.
            files: safetensors files with its weights.
            device: where it runs.
            stack: module path of the list of layers; None for the list that holds most parameters.

        Raises:
            MeasurementError: there is no such list, or what stays cannot be read.
        """
        self._model = model
        self._files = {file: _stamp(file) for file in files}
        self._held = False
        self._filled: dict[nn.Parameter, Tensor] = {}
        """Parameters that are not hollow now, and what they are when they are."""
        mapping = get_model_conversion_mapping(model)
        self._loading = LoadStateDictConfig(device_map={"": device}, dtype=model.dtype, weight_mapping=mapping)
        layers = _layers(model, stack)
        streamed = _owners(model, layers)
        parameters = dict(model.named_parameters(remove_duplicate=False))
        number_of = {path: streamed[parameter] for path, parameter in parameters.items() if parameter in streamed}
        resident: dict[str, Path] = {}
        self._sources: list[dict[str, Path]] = [{} for _ in layers]
        """Names of the tensors that each layer is made of, and the files that they are in."""
        for name, target, file in _targets(model, mapping, files):
            (self._sources[number_of[target]] if target in number_of else resident)[name] = file
        self._read(resident, "what stands outside the layers")
        fresh = _replace(model, parameters, streamed, device)
        self._hollow: list[set[nn.Parameter]] = [set() for _ in layers]
        for parameter, number in streamed.items():
            self._hollow[number].add(fresh[parameter])
        self._places = [
            [
                (module, name, one)
                for module in layer.modules()
                for name, one in module._parameters.items()
                if one is not None
            ]
            for layer in layers
        ]
        for number, layer in enumerate(layers):
            layer.forward = self._streaming(number, layer.forward)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Inside the block a layer that has run keeps its weights until the next one runs."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
            self._let_go()

    def _streaming(self, number: int, forward: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(forward)
        def run(*args: Any, **kwargs: Any) -> Any:
            self._let_go()
            self._fill(number)
            try:
                return forward(*args, **kwargs)
            finally:
                if not self._held:
                    self._let_go()

        return run

    def _fill(self, number: int) -> None:
        """Let the parameters of a layer hold their weights."""
        what, places = f"layer {number + 1} of {len(self._places)}", self._places[number]
        found: dict[nn.Parameter, Tensor] = {}
        try:
            self._read(self._sources[number], what)
        finally:
            for module, name, parameter in places:
                loaded = module._parameters[name]
                if loaded is not None and loaded is not parameter:
                    module._parameters[name] = parameter
                    found[parameter] = loaded.data
        if lacking := [name for _, name, parameter in places if parameter in self._hollow[number] - found.keys()]:
            raise MeasurementError(f"the files no longer have the weights of {what}, such as its '{lacking[0]}'")
        for parameter in self._hollow[number]:
            self._filled[parameter] = parameter.data
            parameter.data = found[parameter]

    def _let_go(self) -> None:
        """Make hollow what is not."""
        for parameter, hollow in self._filled.items():
            parameter.data = hollow
        self._filled.clear()

    def _read(self, sources: Mapping[str, Path], what: str) -> None:
        """Give the model new parameters for some tensors of the files.

        Raises:
            MeasurementError: they cannot be read, or are no longer what they were.
        """
        by_file: dict[Path, list[str]] = defaultdict(list)
        for name, file in sources.items():
            by_file[file].append(name)
        try:
            # Outside inference mode: what is made there can never have a gradient.
            with torch.inference_mode(False), torch.no_grad(), ExitStack() as stack:
                slices: dict[str, Any] = {}
                for file, names in by_file.items():
                    if _stamp(file) != self._files[file]:
                        raise MeasurementError(f"{file.name} was changed while its model ran; run it again")
                    # Read, not mapped: pages of a mapped file would stay in memory, one layer after the other.
                    opened = stack.enter_context(safe_open(file, "pt", backend="pread"))
                    slices |= {name: opened.get_slice(name) for name in names}
                report, _ = convert_and_load_state_dict_in_model(self._model, slices, self._loading)
        except (OSError, SafetensorError) as error:
            reason = " ".join(str(error).split())[:150]
            raise MeasurementError(f"the weights of {what} cannot be read: {reason}; fetch the model again") from None
        if report.conversion_errors:
            raise MeasurementError(f"the weights of {what} cannot be put together as the model wants them")


def _stamp(file: Path) -> tuple[int, int, int]:
    """What tells whether a file is still the same."""
    stat = file.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def _targets(model: PreTrainedModel, mapping: Sequence[Any], files: Sequence[Path]) -> Iterator[tuple[str, str, Path]]:
    """Yield each tensor of the files, the parameter (of several the first) that it becomes, and its file.

    As loading a whole model has it.
    """
    known = model.state_dict()
    renamings = [one for one in mapping if isinstance(one, WeightRenaming)]
    converters = [one for one in mapping if isinstance(one, WeightConverter)]
    for file in files:
        with safe_open(file, "pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - it is no dictionary
                target, _ = rename_source_key(name, renamings, converters, model.base_model_prefix, known)
                if target not in known and name in known:
                    target, _ = rename_source_key(name, [], [], model.base_model_prefix, known)
                yield name, str(target), file


def _layers(model: PreTrainedModel, path: str | None) -> list[nn.Module]:
    """Return the children of the list of layers."""
    lists = {at: one for at, one in model.named_modules() if isinstance(one, nn.ModuleList | nn.Sequential)}
    if path is not None and path not in lists:
        raise MeasurementError(f"field 'layer_stack': the model has no list of modules '{path}'")
    if not lists:
        raise MeasurementError(f"{type(model).__name__} has no list of layers, so none can be streamed")
    stack = lists[path] if path is not None else max(lists.values(), key=_size)
    return list(stack.children())


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _owners(model: PreTrainedModel, layers: Sequence[nn.Module]) -> dict[nn.Parameter, int]:
    """Return the parameters that are of one layer alone, and can be NaN, with its number."""
    inside: dict[nn.Parameter, set[int]] = defaultdict(set)
    for number, layer in enumerate(layers):
        for parameter in layer.parameters():
            inside[parameter].add(number)
    within = {module for layer in layers for module in layer.modules()}
    outside = {one for module in model.modules() if module not in within for one in module.parameters(recurse=False)}
    return {
        parameter: min(numbers)
        for parameter, numbers in inside.items()
        if len(numbers) == 1 and parameter not in outside and parameter.is_floating_point()
    }


def _replace(
    model: PreTrainedModel,
    before: Mapping[str, nn.Parameter],
    streamed: Mapping[nn.Parameter, int],
    device: torch.device,
) -> dict[nn.Parameter, nn.Parameter]:
    """Put hollow parameters in the place of those that are streamed, and the others on the device, wherever they stand.

    Returns what stands in the place of each now.

    Args:
        model: some of whose parameters have been read.
        before: its parameters before that, by all of their paths; those that are tied are the same.
        streamed: those that are to be hollow.
        device: where they go.
    """
    now = dict(model.named_parameters(remove_duplicate=False))
    fresh = {old: now[path] for path, old in before.items() if now[path] is not old}
    for old in before.values():
        if old in streamed:
            nothing = torch.full((), torch.nan, dtype=old.dtype, device=device)
            fresh[old] = nn.Parameter(nothing.expand(old.shape), requires_grad=False)
        elif old not in fresh and not old.is_meta:
            fresh[old] = nn.Parameter(old.data.to(device), requires_grad=False)
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter in fresh:
                module._parameters[name] = fresh[parameter]
        for name, buffer in module._buffers.items():
            if buffer is not None and not buffer.is_meta:
                module._buffers[name] = buffer.to(device)
    return fresh
