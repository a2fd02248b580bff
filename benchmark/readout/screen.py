"""Whether a token is the argmax of a linear head's logits, without computing most of them; exact all the same.

Two cheap products come before the exact one. A few hundred likely tokens, the witnesses: if one of them beats the
token, the answer is no. Then the whole vocabulary in 16 bit, where the processor is fast at that. Both come with a
bound of their error, so what they decide is decided; the few pairs left in between are compared exactly, see
`LinearHead.exact`.
"""

from collections import Counter
from functools import cached_property

import torch
from torch import Tensor

from benchmark.readout.linear_head import LinearHead
from benchmark.readout.portions import portions_of

WITNESSES = 512
# States in one product: what is computed of them on the way takes some megabytes.
_ROWS = 1024


class Screen:
    """Answers about one head; it learns from the answers which tokens make good witnesses."""

    def __init__(self, head: LinearHead) -> None:
        """Know no witness yet."""
        self._head = head
        self._block = portions_of(head.weight.device).vocabulary
        self._seen: Counter[int] = Counter()
        self.products = 0
        """States multiplied with the whole vocabulary so far."""

    def matches(self, states: Tensor, tokens: Tensor) -> Tensor:
        """Whether the token is the state's argmax, the lowest id among equals: R × d, R → R, bool."""
        answer = torch.zeros(len(tokens), dtype=torch.bool, device=states.device)
        parts = zip(states.split(_ROWS), tokens.split(_ROWS), strict=True)
        beaten = [self._beaten_by_a_witness(some, own) for some, own in parts]
        rows = (~torch.cat(beaten)).nonzero()[:, 0] if beaten else tokens
        for part in rows.split(_ROWS):
            answer[part] = self._wins(states[part], tokens[part])
        return answer

    def _wins(self, states: Tensor, tokens: Tensor) -> Tensor:
        own = self._head.exact(states, tokens)
        blocks = self._highest_others(states, tokens)
        error, rounding = self._error(states, blocks), self._rounding(own)[:, None]
        reaching = blocks + error + rounding >= own[:, None]
        beaten = (blocks - error - rounding > own[:, None]).any(-1)
        answer = ~reaching.any(-1)
        close = (~answer & ~beaten).nonzero()[:, 0]
        answer[close] = self._best(states[close], tokens[close], reaching[close]) == tokens[close]
        return answer

    def argmax(self, states: Tensor, tokens: Tensor) -> Tensor:
        """The exact argmax, the lowest id among equals, of states whose tokens are among the best: R × d, R → R."""
        count = len(range(0, len(self._head.low), self._block))
        return self._best(states, tokens, torch.ones(len(tokens), count, dtype=torch.bool, device=tokens.device))

    def _best(self, states: Tensor, tokens: Tensor, reaching: Tensor) -> Tensor:
        """The argmax, looked for among the tokens and the blocks of the vocabulary that may hold a better one.

        `reaching` is R × blocks.
        """
        floors = self._head.exact(states, tokens)
        rows, candidates = self._candidates(states, floors, reaching)
        exact = self._head.exact(states[rows], candidates)
        highest = floors.scatter_reduce(0, rows, exact, "amax")
        top = exact == highest[rows]
        # One token behind the last loses against every candidate.
        best = torch.where(floors == highest, tokens, len(self._head.low))
        return best.scatter_reduce(0, rows[top], candidates[top], "amin")

    def near_ties(self, states: Tensor, logits: Tensor, margins: Tensor) -> Tensor:
        """Where the model's choice need not be the exact argmax: its best two logits differ by no more than rounding
        may account for. R × d, R, R → R, bool."""
        return margins.double() <= 2 * (self._sum_error(states) + self._rounding(logits.double()))

    def learn(self, tokens: Tensor) -> None:
        """Take tokens that were the argmax of some state as witnesses."""
        self._seen.update(tokens.tolist())
        self.__dict__.pop("_witnesses", None)

    @cached_property
    def _witnesses(self) -> tuple[Tensor, Tensor]:
        """Token ids, and their rows of the head in float32."""
        ids = torch.tensor([token for token, _ in self._seen.most_common(WITNESSES)], dtype=torch.long)
        ids = ids.to(self._head.weight.device)
        return ids, self._head.weight[ids].float()

    def _beaten_by_a_witness(self, states: Tensor, tokens: Tensor) -> Tensor:
        ids, rows = self._witnesses
        if len(ids) == 0:
            return torch.zeros_like(tokens, dtype=torch.bool)
        states = states.float()
        logits, own = states @ rows.T, torch.linalg.vecdot(states, self._head.weight[tokens].float())
        if self._head.bias is not None:
            logits += self._head.bias[ids].float()
            own += self._head.bias[tokens].float()
        logits.masked_fill_(ids == tokens[:, None], -torch.inf)
        highest = logits.amax(-1)
        unsure = 2 * self._sum_error(states) + self._rounding(torch.maximum(highest.abs(), own.abs()))
        return highest - own > unsure

    def _highest_others(self, states: Tensor, tokens: Tensor) -> Tensor:
        """Largest low-precision logit of any other token in each block of the vocabulary: R × d, R → R × blocks,
        double."""
        self.products += len(states)
        low = states.to(self._head.low.dtype)
        highest = []
        for start in range(0, len(self._head.low), self._block):
            logits = self._product(low, start)
            inside = ((tokens >= start) & (tokens < start + self._block)).nonzero()[:, 0]
            logits[inside, tokens[inside] - start] = -torch.inf
            highest.append(logits.amax(-1))
        return torch.stack(highest, dim=-1).double()

    def _product(self, low: Tensor, start: int) -> Tensor:
        block = slice(start, start + self._block)
        logits = low @ self._head.low[block].T
        return logits if self._head.bias is None else logits + self._head.bias[block].to(logits.dtype)

    def _candidates(self, states: Tensor, floors: Tensor, reaching: Tensor) -> tuple[Tensor, Tensor]:
        """Pairs of a state and a token, in one of its reaching blocks, whose logit may reach the state's floor; as two
        lists of indices."""
        low = states.to(self._head.low.dtype)
        least = floors - self._rounding(floors)
        least = least - self._error(states, least[:, None])[:, 0]
        # Rounding the bound itself must not raise it, and the logits below it were rounded as well.
        least = (least - 4 * torch.finfo(low.dtype).eps * least.abs()).to(low.dtype)
        pairs = [torch.empty(0, 2, dtype=torch.long, device=low.device)]
        for block, start in enumerate(range(0, len(self._head.low), self._block)):
            for rows in reaching[:, block].nonzero()[:, 0].split(_ROWS):
                found = (self._product(low[rows], start) >= least[rows, None]).nonzero()
                pairs.append(torch.stack([rows[found[:, 0]], found[:, 1] + start], dim=-1))
        self.products += -(-int(reaching.sum()) // reaching.shape[1])
        rows, tokens = torch.cat(pairs).T
        return rows, tokens

    def _sum_error(self, states: Tensor) -> Tensor:
        """Bound of the error of float32 inner products, in whatever order they are summed: γ_d ‖W_v‖ ‖n‖ (Higham,
        Accuracy and Stability of Numerical Algorithms, §3.1), and of adding the bias."""
        terms = self._head.weight.shape[1] + 4
        return torch.finfo(torch.float32).eps * terms * (self._head.norms[0] * _norm(states) + self._head.largest_bias)

    def _error(self, states: Tensor, logits: Tensor) -> Tensor:
        """Bound of the error of low-precision logits, of rounding state, weights and outcome: R × d, R × n → R × n."""
        lost = _norm(states.float() - states.to(self._head.low.dtype).float())
        size, lost_of_weight = self._head.norms
        error = _norm(states) * lost_of_weight + lost * (size + lost_of_weight) + self._sum_error(states)
        step = torch.finfo(self._head.low.dtype).eps
        if self._head.bias is None:
            return error[:, None] + step * logits.abs()
        return error[:, None] + step * (2 * logits.abs() + 3 * self._head.largest_bias)

    def _rounding(self, logits: Tensor) -> Tensor:
        """Two logits that differ by more than this differ after rounding to the head's dtype as well."""
        return 2 * torch.finfo(self._head.weight.dtype).eps * logits.abs()


def _norm(states: Tensor) -> Tensor:
    """Norms of rows, no smaller than they are: computed in float32, and raised by what that may lose."""
    raised = 1 + 4 * states.shape[-1] * torch.finfo(torch.float32).eps
    return torch.linalg.vector_norm(states.float(), dim=-1).double() * raised
