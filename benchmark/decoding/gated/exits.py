"""Where the tokens of one step leave: decided from layer to layer, whatever runs the layers."""

from collections.abc import Sequence

import torch
from torch import Tensor

from benchmark.decoding.gated.looks import Looks
from benchmark.decoding.gated.rule import Given, Rule
from benchmark.readout.loaded_model import LoadedModel
from benchmark.readout.reader import Reader
from benchmark.readout.reading import Chosen


class Exits:
    """The exits of the tokens of a batch, one token of every text after the other."""

    def __init__(self, model: LoadedModel, rule: Rule | Given, members: Sequence[int]) -> None:
        """Begin with the first token, which no gate decides about: it leaves at the last layer.

        Args:
            model: whose layers are run.
            rule: decides, or says what was decided.
            members: numbers of the texts in the batch.
        """
        self.layer = torch.zeros(len(members), dtype=torch.long, device=model.device)
        """Where each text's token has left, counted from 1; 0 while it has not."""
        self._model = model
        self._rule = rule
        self._members = members
        self._last = model.anatomy.num_layers
        self._token = 0
        self._before: Tensor | None = None
        self._held: Tensor | None = None
        self._going = torch.ones(len(members), dtype=torch.bool, device=model.device)
        self._looks = Looks(model, rule, len(members)) if isinstance(rule, Rule) and not rule.oracle else None
        self._known: Tensor | None = None

    @property
    def gated(self) -> bool:
        """Whether the token of this step may leave early."""
        return self._token > 0

    @property
    def some_left(self) -> bool:
        """Whether the token of some text has left."""
        return self._held is not None

    def begin(self, going: Tensor) -> None:
        """Turn to the next token; `going` says which texts have not ended, for nobody looks at what follows an end."""
        self._token += 1
        self.layer = torch.zeros_like(self.layer)
        self._going, self._known = going, None
        self._before = self._held = None
        if self._looks is not None:
            self._looks.begin()
        if isinstance(self._rule, Given):
            later = [exits[min(self._token, len(exits) - 1)] for exits in self._of_batch(self._rule)]
            self._known = torch.tensor(later, device=self.layer.device)

    def know(self, layers: Tensor) -> None:
        """Take where the tokens of this step will leave, in 1..L, found out by a pass of its own."""
        self._known = layers

    def behind(self, layer: int, state: Tensor) -> None:
        """Take what a layer returned for a token that may leave early, in the layout of one position of each text.

        Args:
            layer: counted from 1.
            state: of tokens that have left before, it is of no interest.
        """
        if layer == self._last:
            return
        leaving = self._leaving(layer, state)
        if leaving.any():
            self.layer[leaving] = layer
            held = state if self._held is None else self._held.to(state.device, state.dtype)
            self._held = torch.where(self.of_texts(leaving, state), state, held)
        if self._looks is not None and self._looks.compares:
            self._before = state.clone()  # the next layer may add to it in place

    def passed(self, state: Tensor) -> Tensor:
        """Return what a deeper layer is given: of tokens that have left the state they left with, else this one."""
        if self._held is None:
            return state
        held = self._held.to(state.device, state.dtype)
        return torch.where(self.of_texts(self.layer > 0, state), held, state)

    @property
    def held(self) -> Tensor | None:
        """The states that tokens left with, of the others anything; None if none has left."""
        return self._held

    def of_all(self) -> Tensor:
        """Return where each token has left; at the last layer, if nowhere before."""
        return torch.where(self.layer > 0, self.layer, self._last)

    def of_texts(self, mask: Tensor, state: Tensor) -> Tensor:
        """Return a mask of texts in the layout of a state."""
        shape = [1] * state.dim()
        shape[self._model.anatomy.batch_axis] = -1
        return mask.to(state.device).reshape(shape)

    def _of_batch(self, given: Given) -> list[Sequence[int]]:
        return [given.exits[member] for member in self._members]

    def _leaving(self, layer: int, state: Tensor) -> Tensor:
        open_rows = (self.layer == 0) & self._going
        if self._known is not None:
            return open_rows & (self._known == layer)
        leaving = torch.zeros_like(open_rows)
        if self._looks is None or not self._looks.at(layer):
            return leaving
        rows = open_rows.nonzero()[:, 0]
        if len(rows):
            axis = self._model.anatomy.batch_axis
            at = rows.to(state.device)
            before = None if self._before is None else self._before.index_select(axis, at)
            leaving[rows] = self._looks.leaving(layer, rows, state.index_select(axis, at), before)
        return leaving


def oracle_exits(
    model: LoadedModel, reader: Reader, looks: Sequence[int], states: list[Tensor], logits: Tensor
) -> Tensor:
    """Return the shallowest look at which each of some tokens is the full model's, T; the last layer if none is.

    Args:
        model: whose states they are.
        reader: reads them out, as in the oracle study.
        looks: layers that are asked, counted from 1.
        states: L, what every layer returned, in the layout of T texts of one position.
        logits: T × V, the model's own.

    Raises:
        MeasurementError: the logits of some layer are not finite.
    """
    with torch.inference_mode():
        chosen = Chosen.of(logits)
        nothing = torch.zeros(len(logits), dtype=torch.bool, device=logits.device)
        matches = reader.read(states, chosen, nothing, [None] * len(states)).matches
        asked = [*(look - 1 for look in looks), model.anatomy.num_layers - 1]
        first = matches[:, asked].int().argmax(dim=1)
        return (torch.tensor(asked)[first] + 1).to(logits.device)
