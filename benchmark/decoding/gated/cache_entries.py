"""Keys and values of single positions in a cache: those of the exit layer put in place of those of deeper layers."""

from typing import Any

from torch import Tensor

from benchmark.errors import MeasurementError


def entries(cache: Any, num_layers: int) -> list[tuple[Tensor, Tensor]]:
    """Return keys and values of every layer, each texts × heads × positions × size.

    Args:
        cache: as `generate` keeps it.
        num_layers: of the model.

    Raises:
        MeasurementError: the layers do not all keep keys and values and nothing more, or not of one shape.
    """
    own = getattr(cache, "self_attention_cache", cache)  # of a decoder behind an encoder
    layers = list(getattr(own, "layers", ()))
    kept = []
    for layer in layers:
        keys, values = getattr(layer, "keys", None), getattr(layer, "values", None)
        if isinstance(keys, Tensor) and isinstance(values, Tensor) and keys.dim() == values.dim() == 4:
            kept.append((keys, values))
    shapes = {(keys.shape[1], keys.shape[3], values.shape[1], values.shape[3]) for keys, values in kept}
    reason = None
    if len(kept) < num_layers:
        reason = f"{len(kept)} of {num_layers} layers keep keys and values of their own"
    elif len(layers) != num_layers:
        reason = f"the cache has {len(layers)} parts, the model {num_layers} layers"
    elif any(_keeps_more(layer) for layer in layers):
        reason = "the layers keep another state beside keys and values"
    elif len(shapes) > 1:
        reason = "the keys and values of the layers have different shapes"
    if reason is not None:
        raise MeasurementError(f"policy copy: {reason}; choose another policy")
    return kept


def _keeps_more(layer: Any) -> bool:
    """Whether a layer of a cache holds tensors beside keys and values, such as a recurrent state."""
    fields = [value for name, value in vars(layer).items() if name not in ("keys", "values")]
    held = [item for field in fields for item in (field.values() if isinstance(field, dict) else [field])]
    return any(isinstance(item, Tensor) and item.dim() > 0 for item in held)


def copy_entries(cache: Any, exits: Tensor, num_layers: int) -> None:
    """Give each layer above its text's exit the exit layer's keys and values of the last position.

    Args:
        cache: as `generate` keeps it.
        exits: texts, layers counted from 1.
        num_layers: of the model.

    Raises:
        MeasurementError: as `entries` does.
    """
    kept = entries(cache, num_layers)
    for exit_layer in exits.unique().tolist():
        texts = (exits == exit_layer).nonzero()[:, 0]
        for part in (0, 1):
            source = kept[exit_layer - 1][part]
            rows = texts.to(source.device)
            last = source[rows, :, -1]
            for deeper in kept[exit_layer:]:
                at = texts.to(deeper[part].device)
                deeper[part][at, :, -1] = last.to(deeper[part])
