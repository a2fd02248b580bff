"""Hidden states → the model's own logits.

The readout is the model's: it runs with its layers doing nothing and the state put in behind the last one, so norm,
head, scale and soft-cap are whatever the model does.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from benchmark.anatomy.hooks import read_out, replaced_forward
from benchmark.anatomy.layers import Anatomy
from benchmark.models.tasks import forward_logits, input_device, run_encoder
from benchmark.readout.linear_head import LinearHead
from benchmark.trace.costs import Task

HUGE = 1e20
"""No logit is this large; some models mask a part of the vocabulary with the most negative number there is."""


class Readout:
    """The readout of one model, as a function of states."""

    def __init__(self, model: PreTrainedModel, anatomy: Anatomy, task: Task) -> None:
        """Use `model`'s own forward; reads out one zero state to learn the shape of its logits."""
        self._model = model
        self._anatomy = anatomy
        self._task = task
        self._module: nn.Module | None = model.get_output_embeddings()
        # An encoder's output has no say in the readout, but a decoder wants to be given one.
        self._encoded = run_encoder(model, task, torch.zeros(1, 1, dtype=torch.long, device=input_device(model)))
        zero = torch.zeros(anatomy.state_shape, dtype=model.dtype, device=input_device(model))
        self.dtype: torch.dtype = model.dtype
        self.vocab_size: int = self.logits(zero).shape[-1]
        self.stub_size = self._smallest_stub(zero)
        """Logits a token that reading out without the head still makes room for."""
        self._norm: nn.Module | None = None
        self.head = self._linear_head(zero)
        """The output head, when logits are nothing but a positive multiple of its inner products."""
        self._norm = self._only_module_before_head()

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return input_device(self._model)

    def logits(self, states: Tensor) -> Tensor:
        """Logits, batch × positions × vocabulary, of states as the layers return them; in the model's dtype."""
        shape = states.shape[self._anatomy.batch_axis], states.shape[self._anatomy.position_axis]
        ids = torch.zeros(shape, dtype=torch.long, device=input_device(self._model))
        with read_out(self._anatomy, states):
            return forward_logits(self._model, self._task, ids, self._encoded)

    def head_input(self, states: Tensor) -> Tensor | None:
        """The states as they enter the output head, batch × d, of one position each; None when the model does not call
        its head as a module."""
        if self._norm is not None:
            with torch.inference_mode():
                return self._norm(states).reshape(states.shape[self._anatomy.batch_axis], -1)
        return self._entering(states)

    def _entering(self, states: Tensor) -> Tensor | None:
        """The same, watched while the model reads the states out."""
        entered: list[Tensor] = []

        def stub(state: Tensor, *_: Any, **__: Any) -> Tensor:
            entered.append(state)
            return state.new_zeros(1).expand(*state.shape[:-1], self.stub_size)

        if self.stub_size == 0 or self._module is None:
            return None
        with replaced_forward(self._module, stub):
            self.logits(states)
        return entered[0].reshape(states.shape[self._anatomy.batch_axis], -1)

    def _smallest_stub(self, zero: Tensor) -> int:
        """How many logits the code behind the head wants to see; 0 when there is no head to call."""
        if self._module is None:
            return 0
        entered: list[Tensor] = []
        watch = self._module.register_forward_pre_hook(lambda _, args: entered.append(args[0]))
        try:
            self.logits(zero)
        finally:
            watch.remove()
        if len(entered) != 1:
            return 0
        for size in (1, self.vocab_size):
            self.stub_size = size
            try:
                self._entering(zero)
            except torch.OutOfMemoryError:
                raise
            except (RuntimeError, ValueError, IndexError):
                continue
            return size
        return 0

    def _linear_head(self, zero: Tensor) -> LinearHead | None:
        module = self._module
        if self.stub_size == 0 or not LinearHead.fits(module, self.vocab_size):
            return None
        # What the model does with the head's output, shown on numbers as large as logits get and larger, and on zeros,
        # which a bias behind the head changes, be it small beside those.
        ramp = torch.linspace(-1000, 1000, self.vocab_size, device=zero.device).to(zero.dtype)
        after, of_zeros = (self._behind_head(module, numbers, zero) for numbers in (ramp, torch.zeros_like(ramp)))
        wide = ramp.double()
        scale = float((after @ wide) / (wide @ wide))
        if scale <= 0 or (after - scale * wide).abs().max() > 4 * torch.finfo(zero.dtype).eps * scale * 1000:
            return None
        return None if of_zeros.any() else LinearHead(module, scale)

    def _only_module_before_head(self) -> nn.Module | None:
        """The module that alone stands between the layers and the head, mostly a norm; None if there is more, or other.

        It is called without the model around it, which takes longer than the module itself.
        """
        module = dict(self._model.named_modules()).get(self._anatomy.seam_path)
        if self.head is None or module is None:
            return None
        shape = list(self._anatomy.state_shape)
        shape[self._anatomy.batch_axis] = 4
        numbers = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        dtypes = sorted({*self._anatomy.state_dtypes}, key=str)
        states = [(size * numbers).to(input_device(self._model), of) for of in dtypes for size in (0.01, 1, 100)]
        try:
            with torch.inference_mode():
                alone = [module(state).reshape(4, -1) for state in states]
                same = all(_same(one, self._entering(state)) for one, state in zip(alone, states, strict=True))
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, ValueError, TypeError, AttributeError, LookupError):
            return None  # it wants to be given more than a state
        return module if same else None

    def _behind_head(self, head: nn.Module, numbers: Tensor, zero: Tensor) -> Tensor:
        """The model's logits, V, if its head returned these numbers."""
        with replaced_forward(head, lambda state, *_, **__: numbers.to(state).expand(*state.shape[:-1], -1)):
            return self.logits(zero).flatten().double()


def _same(one: Tensor, other: Tensor | None) -> bool:
    return other is not None and one.dtype == other.dtype and torch.equal(one, other)
