"""What a rule sees of tokens that are being decoded, one layer after the other, and which of them it lets leave."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.decoding.gated.rule import OF_VOCABULARY, Glimpses, Rule
from benchmark.errors import MeasurementError
from benchmark.readout.bounds import Bounds, bounds_of_states
from benchmark.readout.loaded_model import LoadedModel
from benchmark.readout.signals import Signals, signals_of_logits, similarity_to_previous


class Looks:
    """The looks of a rule at the tokens of a batch, from layer to layer."""

    def __init__(self, model: LoadedModel, rule: Rule, texts: int) -> None:
        """See nothing yet.

        Args:
            model: whose states are looked at.
            rule: decides.
            texts: number of texts in the batch.
        """
        self._model = model
        self._rule = rule
        self._place = {layer: number for number, layer in enumerate(rule.looks)}
        self._texts = texts
        head = model.readout.head
        # Logits of a head in 16 bit are rounded, so their signals may lie outside of the bounds.
        self._bounded = (
            rule.monotone
            and head is not None
            and head.weight.dtype == torch.float32
            and head.low.dtype != torch.float32
        )
        self.begin()

    @property
    def compares(self) -> bool:
        """Whether the rule asks how far a state is from that of the layer before."""
        return "similarity_previous" in self._rule.asks

    def begin(self) -> None:
        """Turn to the next token of every text."""
        self._seen = Glimpses.nothing(self._texts, len(self._rule.looks))

    def at(self, layer: int) -> bool:
        """Return whether the rule looks at this layer, counted from 1."""
        return layer in self._place

    def leaving(self, layer: int, rows: Tensor, states: Tensor, before: Tensor | None) -> Tensor:
        """Return which of some texts' tokens leave at a layer, R.

        Args:
            layer: counted from 1; the rule looks there.
            rows: R numbers of the texts.
            states: what the layer returned for them, in the layout of R texts of one position.
            before: what the layer before returned; None at the first.

        Raises:
            MeasurementError: the logits are not finite.
        """
        look, members, asks = self._place[layer], rows.cpu().numpy(), self._rule.asks
        if self.compares and before is not None:
            cosine = similarity_to_previous([before, states], self._model.anatomy.batch_axis)[:, 1]
            self._seen.similarity_previous[members, look] = cosine.cpu().numpy()
        if not asks & OF_VOCABULARY:
            return self._decided(members, look).to(rows.device)
        head = self._model.readout.head
        entered = None if head is None else self._model.readout.head_input(states)
        leaves, unsure = np.zeros(len(members), bool), np.ones(len(members), bool)
        if self._bounded and entered is not None and head is not None:
            bounds = bounds_of_states(head, entered, entropy="entropy" in asks)
            leaves, unsure = self._by_bounds(bounds, members, look)
        if unsure.any():
            some = torch.from_numpy(unsure.nonzero()[0]).to(states.device)
            signals = self._signals(layer, states, entered, some)
            self._keep(members[unsure], look, signals)
            leaves[unsure] = self._decided(members[unsure], look).numpy()
        return torch.from_numpy(leaves).to(rows.device)

    def _by_bounds(
        self, bounds: Bounds, members: NDArray[np.int64], look: int
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which rows leave, as far as bounds decide, and of which rows they do not decide it."""
        decisions = []
        for end in (bounds.low, bounds.high):
            self._keep(members, look, end)
            decisions.append(self._decided(members, look).numpy())
        unsure = (decisions[0] != decisions[1]) | ~bounds.high.max_prob.isfinite().cpu().numpy()
        if "predictions" in self._rule.asks:
            unsure |= ~bounds.certain.cpu().numpy()
        return decisions[0], unsure

    def _signals(self, layer: int, states: Tensor, entered: Tensor | None, some: Tensor) -> Signals:
        """Return the signals of some of the rows, from all their logits."""
        readout = self._model.readout
        with torch.inference_mode():
            if entered is not None and readout.head is not None:
                logits = readout.head.logits(entered[some.to(entered.device)])
            else:
                logits = readout.logits(states.index_select(self._model.anatomy.batch_axis, some))[:, 0].float()
            top = logits.topk(min(2, logits.shape[-1]))
            if not top.values.isfinite().all():
                raise MeasurementError(f"the logits are not finite at layer {layer} of {len(self._model.halves)}")
            return signals_of_logits(logits, top.values, top.indices)[0]

    def _keep(self, members: NDArray[np.int64], look: int, signals: Signals) -> None:
        for name in self._rule.asks & OF_VOCABULARY:
            getattr(self._seen, name)[members, look] = getattr(signals, name).cpu().numpy()

    def _decided(self, members: NDArray[np.int64], look: int) -> Tensor:
        """Return whether each of these texts' tokens leaves, by what was seen so far."""
        return torch.from_numpy(np.ascontiguousarray(self._rule.leaves(self._seen.of(members), look), bool))
