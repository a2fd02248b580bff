"""A cache that holds what a whole text leaves in it, and can be set back to any place of the text.

While a text is decoded, what each step leaves is kept: keys and values that came in, and whatever else the cache has.
Set back to a step, the cache is as it was before that step: a layer that then runs finds its true past, and one that
does not run lacks nothing at the next step.
"""

from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer, DynamicSlidingWindowLayer, EncoderDecoderCache

from benchmark.errors import MeasurementError

_MOST_BYTES = 4 * 2**30
"""Of states that are kept whole for every step."""
_KEYS = ("keys", "values")


class KnownCache:
    """The caches of a batch of texts, at any step of decoding."""

    def __init__(self, cache: Any) -> None:
        """Begin with the cache that the prompts have left.

        Raises:
            MeasurementError: it is of a kind that cannot be set back.
        """
        self._watched = cache
        crossing = isinstance(cache, EncoderDecoderCache)
        if not crossing and type(cache) is not DynamicCache:
            kind = "no cache" if cache is None else f"a {type(cache).__name__}"
            raise MeasurementError(f"the model keeps {kind}, which cannot be set back to an earlier token")
        own = cache.self_attention_cache if crossing else cache
        self.rows: Tensor | None = None
        """Which texts of the batch run; None for all."""
        self._layers = [_KnownLayer(layer, self) for layer in own.layers]
        self.cache: Cache = DynamicCache()
        """What the model is given."""
        self.cache.layers = [known.layer for known in self._layers]
        self._crossed: list[tuple[Any, Any]] = []
        if crossing:
            across = DynamicCache()
            across.layers = [_like(layer) for layer in cache.cross_attention_cache.layers]
            self._crossed = list(zip(across.layers, cache.cross_attention_cache.layers, strict=True))
            self.cache = EncoderDecoderCache(self.cache, across)
            self.cache.is_updated = dict(cache.is_updated)

    @property
    def keys_only(self) -> bool:
        """Whether the cache holds nothing but keys and values of the text's own positions."""
        return not self._crossed and not any(layer.carries for layer in self._layers)

    def keep(self) -> None:
        """Keep what one more step has left in the cache that is watched.

        Raises:
            MeasurementError: that takes too much memory.
        """
        for layer in self._layers:
            layer.keep()
        if sum(layer.kept_bytes for layer in self._layers) > _MOST_BYTES:
            raise MeasurementError("the states of all steps take more than 4 GiB; take fewer prompts together")

    def close(self) -> None:
        """Put together what was kept; from now on the cache can be set."""
        for layer in self._layers:
            layer.close()
        self._watched = None

    def at(self, step: int, rows: Tensor | None) -> None:
        """Set the cache to what it was before a step of decoding.

        Args:
            step: counted from 0 behind the prompts.
            rows: texts of the batch that run; None for all.
        """
        self.rows = rows
        for layer in self._layers:
            layer.at(step, rows)
        for crossed, whole in self._crossed:
            for name in _KEYS:
                held = getattr(whole, name)
                setattr(crossed, name, held if rows is None else held.index_select(0, rows.to(held.device)))


class _KnownLayer:
    """One part of a cache."""

    def __init__(self, watched: Any, cache: KnownCache) -> None:
        self._watched = watched
        if type(watched) not in (DynamicLayer, DynamicSlidingWindowLayer) and not _fixed(watched):
            raise MeasurementError(
                f"the cache has a {type(watched).__name__}, which cannot be set back to an earlier token"
            )
        self.layer = _like(watched)
        self._grows = isinstance(getattr(watched, "keys", None), Tensor)
        if self._grows:
            # Of some texts alone, keys are gathered where they are needed: a copy, as joining the new one to them is.
            self.layer.__class__ = _with_rows(type(watched))
            self.layer.known = cache
        self._entries: dict[str, list[Tensor]] = {name: [] for name in _KEYS}
        self._whole: dict[str, Tensor] = {}
        self._widths: list[int] = []
        """How many positions are kept before each step."""
        self._begin = 0
        """How many came of the prompts."""
        self._states: list[dict[str, Any]] = []
        self.keep()

    @property
    def carries(self) -> bool:
        """Whether it holds tensors that are neither keys nor values."""
        return any(_tensors(value) for value in self._states[0].values())

    @property
    def kept_bytes(self) -> int:
        """Bytes of states that are kept for every step."""
        return sum(tensor.nbytes for states in self._states for value in states.values() for tensor in _tensors(value))

    def keep(self) -> None:
        """Keep what stands in the part that is watched."""
        if self._grows:
            width = self._watched.keys.shape[-2]
            fresh = 1 if self._widths else width
            for name in _KEYS:
                self._entries[name].append(getattr(self._watched, name)[..., width - fresh :, :].clone())
            self._begin = self._begin or width
            self._widths.append(width)
        fields = vars(self._watched).items()
        self._states.append({name: _copied(value) for name, value in fields if name not in _KEYS})

    def close(self) -> None:
        if self._grows:
            self._whole = {name: torch.cat(entries, dim=-2) for name, entries in self._entries.items()}
        self._entries, self._watched = {}, None

    def at(self, step: int, rows: Tensor | None) -> None:
        """Set the part to what it was before a step."""
        for name, value in self._states[step].items():
            setattr(self.layer, name, _copied(value, rows))
        if self._grows:
            end = self._begin + step
            self.layer.end = end
            self.layer.start = end - self._widths[step]
            for name, whole in self._whole.items():
                setattr(self.layer, name, whole[..., self.layer.start : end, :])
            self.layer.whole = self._whole


def _fixed(layer: Any) -> bool:
    """Whether a part of a cache holds what does not grow, beside keys and values or alone, or nothing at all."""
    name = type(layer).__name__
    return (name.startswith("LinearAttention") and "Static" not in name) or name == "DummyLayer"


def _like(layer: Any) -> Any:
    """Return a part of a cache of the same kind, to be filled."""
    other = object.__new__(type(layer))
    vars(other).update(vars(layer))
    return other


_CLASSES: dict[type, type] = {}


def _with_rows(kind: type) -> type:
    """Return a kind of part that works on some of the texts of a batch as well."""

    def update(self: Any, keys: Tensor, values: Tensor, *args: Any, **kwargs: Any) -> Any:
        rows = self.known.rows
        if rows is None:
            return kind.update(self, keys, values, *args, **kwargs)  # type: ignore[attr-defined]
        joined = []
        for name, new in zip(_KEYS, (keys, values), strict=True):
            past = self.whole[name][..., self.start : self.end + 1, :].index_select(0, rows.to(keys.device))
            past[..., -1:, :] = new
            joined.append(past)
        self.keys, self.values = joined
        return joined[0], joined[1]

    if kind not in _CLASSES:
        _CLASSES[kind] = type(f"Known{kind.__name__}", (kind,), {"update": update})
    return _CLASSES[kind]


def _copied(value: Any, rows: Tensor | None = None) -> Any:
    """Return a copy of what a part of a cache holds: of tensors that have texts, those of some texts."""
    if isinstance(value, Tensor):
        return value.clone() if rows is None or value.dim() < 2 else value.index_select(0, rows.to(value.device))
    if isinstance(value, dict):
        return {name: _copied(item, rows) for name, item in value.items()}
    return value


def _tensors(value: Any) -> list[Tensor]:
    """Return the tensors among what a part of a cache holds that are more than a number."""
    items = value.values() if isinstance(value, dict) else [value]
    return [item for item in items if isinstance(item, Tensor) and item.dim() > 0]
