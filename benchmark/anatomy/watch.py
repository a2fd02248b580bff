"""Hooks that hand over the states of every layer while a model runs."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from benchmark.anatomy.layers import Anatomy, Layer
from benchmark.anatomy.midlayer import Half

Keep = Callable[[int, Tensor], None]
"""Takes the number of a layer, counted from 0, and its state; the tensor is the model's own and must not be changed."""


class Watch:
    """Calls `keep` with what each layer returns, and `keep_midlayer` with the state between its halves."""

    def __init__(
        self,
        anatomy: Anatomy,
        keep: Keep,
        halves: Sequence[Half | None] = (),
        keep_midlayer: Keep = lambda layer, state: None,
        texts: int = 1,
    ) -> None:
        """Register no hook yet.

        Args:
            anatomy: of the model.
            keep: called after each layer, in the order in which they run.
            halves: L places where the state between the halves of a layer is met; empty when nobody asks for it.
            keep_midlayer: called before the second half of a layer.
            texts: number of texts in a batch.
        """
        self._anatomy = anatomy
        self._keep = keep
        self._halves = halves
        self._keep_midlayer = keep_midlayer
        self._texts = texts
        self._paused = False

    @contextmanager
    def hooks(self) -> Iterator[None]:
        """Watch what the model does inside the block."""
        with ExitStack() as stack:
            for number, layer in enumerate(self._anatomy.layers):
                stack.callback(layer.module.register_forward_hook(self._behind(number, layer)).remove)
            for number, half in enumerate(self._halves):
                if half is not None:
                    hook = half.module.register_forward_pre_hook(self._between(number, half), with_kwargs=True)
                    stack.callback(hook.remove)
            yield

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Watch nothing inside the block: whoever reads states out runs the same model."""
        self._paused = True
        try:
            yield
        finally:
            self._paused = False

    def _behind(self, number: int, layer: Layer) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_: nn.Module, __: Any, output: Any) -> None:
            if not self._paused:
                self._keep(number, layer.state_out(output))

        return hook

    def _between(self, number: int, half: Half) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            if not self._paused:
                self._keep_midlayer(number, half.state_in(args, kwargs, self._texts))

        return hook
