"""Running a model without its layers: some passed through, or all of them, and a state read out by what follows."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from benchmark.anatomy.layers import Anatomy, Layer


@contextmanager
def passed_through(layers: Sequence[Layer]) -> Iterator[None]:
    """Inside the block these layers return the state they are given. The model is restored on leaving it."""

    def through(layer: Layer) -> Callable[..., Any]:
        return lambda *args, **kwargs: layer.returning(layer.state_in(args, kwargs))

    with ExitStack() as stack:
        for layer in layers:
            stack.enter_context(replaced_forward(layer.module, through(layer)))
        yield


@contextmanager
def read_out(anatomy: Anatomy, state: Tensor) -> Iterator[None]:
    """Inside the block the layers do nothing, and what follows them works on `state`, whatever the model is given."""
    *others, last = anatomy.layers
    with ExitStack() as stack:
        stack.enter_context(passed_through(others))
        stack.enter_context(replaced_forward(last.module, lambda *_, **__: last.returning(state)))
        if anatomy.seam is not None:
            stack.callback(anatomy.seam.register_forward_pre_hook(_swap_first(state), with_kwargs=True).remove)
        yield


def _swap_first(state: Tensor) -> Callable[..., Any]:
    def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if args:
            return (state, *args[1:]), kwargs
        return args, {**kwargs, next(iter(kwargs)): state}

    return hook


@contextmanager
def replaced_forward(module: nn.Module, forward: Callable[..., Any]) -> Iterator[None]:
    """Inside the block the module computes `forward`. It is restored on leaving it."""
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
