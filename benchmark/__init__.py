"""ExitBench from Python: `load` or `wrap` a model, let it `trace` prompts, look at the layers (docs/api.md)."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmark.interface.api import load, wrap

__all__ = ["load", "wrap"]


def __getattr__(name: str) -> Any:
    """Import what is asked for only now: it needs torch and transformers, and `exitbench --help` does not."""
    if name not in __all__:
        raise AttributeError(f"module 'benchmark' has no attribute '{name}'")
    from benchmark.interface import api

    return getattr(api, name)
