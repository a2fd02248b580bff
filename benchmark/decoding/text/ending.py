"""Where the texts of a batch end: at an end-of-text token, or at the token that completes a stop string."""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import StoppingCriteria, StoppingCriteriaList

from benchmark.decoding.text.stops import Stops
from benchmark.readout.loaded_model import LoadedModel


class Ending(StoppingCriteria):
    """The texts of a batch that have not ended; tells `generate`, too, which ends when all have."""

    def __init__(self, model: LoadedModel, members: Sequence[int], stops: Stops) -> None:
        """Begin with no token written.

        Args:
            model: that writes.
            members: numbers of the prompts in the batch.
            stops: their stop strings.
        """
        self.going = torch.ones(len(members), dtype=torch.bool, device=model.device)
        """Which texts of the batch have not ended."""
        self._members = members
        self._stops = stops
        self._ends = torch.tensor(sorted(model.end_ids), dtype=torch.long, device=model.device)
        # Of the texts that a stop string may end, the ids so far, by their place in the batch.
        self._written: dict[int, list[int]] = {place: [] for place, member in enumerate(members) if stops.of(member)}

    @property
    def criteria(self) -> StoppingCriteriaList:
        """What `generate` is to ask, beside the end-of-text tokens that it knows."""
        return StoppingCriteriaList([self] if self._written else [])

    def take(self, tokens: Tensor) -> Tensor:
        """Take the next token of every text; returns which of the texts had not ended before it."""
        before = self.going
        self.going = before & ~torch.isin(tokens, self._ends) & ~self._stopped(tokens)
        return before

    def __call__(self, input_ids: Tensor, scores: Tensor, **_: object) -> Tensor:
        """Return which texts have ended, one of a batch each."""
        return ~self.going

    def _stopped(self, tokens: Tensor) -> Tensor:
        """Return which texts have ended with these tokens, by a stop string."""
        stopped = torch.zeros_like(self.going)
        if self._written:  # else nothing has to wait for the device
            ids = tokens.tolist()
            for place, written in list(self._written.items()):
                written.append(ids[place])
                if self._stops.ended(self._members[place], written):
                    stopped[place] = True
                    del self._written[place]
        return stopped
