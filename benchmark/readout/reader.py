"""Reading out every exit of the tokens that decoding has chosen: the tensor work between capture and trace.

Where the output head is linear, exits are screened and cosines need no vocabulary. Everywhere else, and for the tokens
of the sample, the model's own readout gives the logits of all exits. Either way target and candidates come from the
same arithmetic, and the outcome is the same.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from benchmark.anatomy.layers import Anatomy
from benchmark.errors import MeasurementError
from benchmark.readout.distributions import Distributions, describe
from benchmark.readout.linear_head import LinearHead, cosine
from benchmark.readout.model_readout import HUGE, Readout
from benchmark.readout.portions import portions_of
from benchmark.readout.reading import Chosen, Found, Reading
from benchmark.readout.screen import Screen
from benchmark.readout.signals import Signals, signals_of_logits, signals_of_states, similarity_to_previous

# Relative to the largest logit. Equal kernels give 0.0; devices that pick kernels by load may differ in the last bits.
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-5, torch.bfloat16: 2e-2, torch.float16: 4e-3}


class Reader:
    """Reads out tokens of one model, some at a time."""

    def __init__(self, readout: Readout, anatomy: Anatomy, top_k: int, all_signals: bool = False) -> None:
        """Read with K = `top_k`, and the signals of all tokens or of the sample only.

        Raises:
            MeasurementError: K is larger than the vocabulary.
        """
        if top_k > readout.vocab_size:
            raise MeasurementError(
                f"K = {top_k} is larger than the vocabulary of {readout.vocab_size} tokens; use a smaller K",
                "top_k",
            )
        self._readout = readout
        self._anatomy = anatomy
        self._top_k = top_k
        self._all_signals = all_signals
        self._screen = Screen(readout.head) if readout.head is not None else None
        self._full_products = 0
        self._logits_bytes = portions_of(readout.device).logits_bytes

    @property
    def products(self) -> int:
        """States multiplied with the whole vocabulary so far, in whatever precision."""
        return self._full_products + (self._screen.products if self._screen else 0)

    def read(
        self, states: Sequence[Tensor], chosen: Chosen, sampled: Tensor, halves: Sequence[Tensor | None]
    ) -> Reading:
        """Read out every exit of T tokens.

        Args:
            states: outputs of layers 1..L for these tokens, one position each, as the layers return them.
            chosen: what decoding says of the tokens.
            sampled: T, whether the token is in the sample.
            halves: L, the states behind the layers' mixers of the n sampled tokens; None where there are none.

        Raises:
            MeasurementError: the logits of a layer are not finite, or the readout is not the model's own; says where.
        """
        with torch.inference_mode():
            if self._screen is not None and self._readout.head is not None:
                found = self._read_screened(self._readout.head, self._screen, states, chosen, sampled, halves)
            else:
                found = self._read_all(states, chosen, sampled, halves)
            return found.reading(similarity_to_previous(states, self._anatomy.batch_axis))

    def _read_screened(
        self,
        head: LinearHead,
        screen: Screen,
        states: Sequence[Tensor],
        chosen: Chosen,
        sampled: Tensor,
        halves: Sequence[Tensor | None],
    ) -> Found:
        entered = self._entered(self._together(states), head).unflatten(0, (-1, len(states)))
        size = entered.float().square().sum(-1)
        size[:, -1] = torch.maximum(size[:, -1], chosen.largest)  # in 16 bit, products overflow where states do not
        _refuse_not_finite(size)
        last = entered[:, -1]
        self._refuse_other_logits(head.exact(last, chosen.target) * head.scale, chosen)
        target = chosen.target.clone()
        # There the model's choice may be another than the exact argmax. Exits are held against the latter, so that
        # layers that change nothing match.
        near = screen.near_ties(last, chosen.logit / head.scale, chosen.margin / head.scale).nonzero()[:, 0]
        target[near] = screen.argmax(last[near], target[near])
        sample = self._sample(states, chosen.target, sampled)
        screen.learn(sample.signals.predictions.flatten())
        inner = entered[:, :-1].reshape(-1, entered.shape[-1])
        found = screen.matches(inner, target.repeat_interleave(len(states) - 1))
        matches = torch.cat([found.reshape(len(target), -1), torch.ones_like(target, dtype=torch.bool)[:, None]], dim=1)
        signals, known = sample.signals, sampled
        if self._all_signals:
            signals, known = signals_of_states(head, entered.flatten(0, 1)).unflattened(len(states)), sampled | True
            self._full_products += entered[..., 0].numel()
            _refuse_not_finite(signals.entropy)
        # The model's product may round another way than the exact one; the exits have the last word.
        odd = (signals.predictions == target[known][:, None]) & ~matches[known]
        signals.predictions[odd] = screen.argmax(entered[known][odd], signals.predictions[odd])
        centred, raw = head.cosines(entered, last)
        half_matches = torch.full_like(sample.rank, -1)
        found_halves = [(layer, half) for layer, half in enumerate(halves) if half is not None]
        if found_halves and sampled.any():
            layers, parts = zip(*found_halves, strict=True)
            behind_mixers = self._entered(torch.cat(parts, dim=self._anatomy.batch_axis), head)
            hits = screen.matches(behind_mixers, target[sampled].repeat(len(layers)))
            half_matches[:, list(layers)] = hits.reshape(len(layers), -1).T.to(half_matches)
        return Found(chosen, sampled, matches, centred, raw, _hidden(entered), signals, sample, half_matches)

    def _entered(self, state: Tensor, head: LinearHead) -> Tensor:
        """States of T tokens as they enter the head: T × d."""
        rows = max(1, self._logits_bytes // (4 * max(self._readout.stub_size, 8 * head.weight.shape[1])))
        parts = [self._readout.head_input(part) for part in state.split(rows, dim=self._anatomy.batch_axis)]
        return torch.cat([part.to(head.weight.device) for part in parts if part is not None])

    def _read_all(
        self, states: Sequence[Tensor], chosen: Chosen, sampled: Tensor, halves: Sequence[Tensor | None]
    ) -> Found:
        """By the model's own logits of every exit of every token."""
        axis, layers = self._anatomy.batch_axis, len(states)
        rows = max(1, self._logits_bytes // (4 * layers * self._readout.vocab_size))
        parts, signalled = [], []
        for start in range(0, len(chosen.target), rows):
            logits = self._logits(
                [state.narrow(axis, start, min(rows, len(chosen.target) - start)) for state in states]
            )
            _refuse_not_finite(logits.abs().amax(-1))
            part = chosen.at(torch.arange(start, start + len(logits), device=chosen.target.device))
            self._refuse_other_logits(logits[:, -1].gather(1, part.target[:, None])[:, 0], part)
            parts.append((logits.argmax(-1), *_logit_cosines(logits)))
            if self._all_signals:
                top = logits.topk(min(2, logits.shape[-1]))
                signalled.append(signals_of_logits(logits, top.values, top.indices)[0])
        predictions, centred, raw = (torch.cat(column) for column in zip(*parts, strict=True))
        matches = predictions == predictions[:, -1:]
        sample = self._sample(states, chosen.target, sampled)
        signals = Signals.joined(signalled) if signalled else sample.signals
        signals.predictions.copy_(predictions if signalled else predictions[sampled])
        half_matches = torch.full_like(sample.rank, -1)
        for layer, half in enumerate(halves):
            if half is not None and sampled.any():
                found = torch.cat([self._logits([part])[:, 0].argmax(-1) for part in half.split(rows, dim=axis)])
                half_matches[:, layer] = found == predictions[sampled, -1]
        entered = [self._readout.head_input(state) for state in states]
        hidden = (
            torch.full_like(centred, torch.nan)
            if entered[0] is None
            else _hidden(torch.stack([state for state in entered if state is not None], dim=1))
        )
        return Found(chosen, sampled, matches, centred, raw, hidden, signals, sample, half_matches)

    def _sample(self, states: Sequence[Tensor], target: Tensor, sampled: Tensor) -> Distributions:
        """What takes all logits, of the sampled tokens."""
        axis, layers = self._anatomy.batch_axis, len(states)
        count = int(sampled.sum())
        at = sampled.nonzero()[:, 0]
        rows = max(1, self._logits_bytes // (4 * layers * self._readout.vocab_size))
        self._full_products += layers * count
        parts = [Distributions.of_nothing(layers, target.device)]
        for part in at.split(rows) if count else ():
            parts.append(
                describe(self._logits([s.index_select(axis, part) for s in states]), target[part], self._top_k)
            )
        return Distributions.joined(parts)

    def _logits(self, states: Sequence[Tensor]) -> Tensor:
        """T × L × V, float32, of all exits in one product."""
        return self._readout.logits(self._together(states))[:, 0].float().unflatten(0, (-1, len(states)))

    def _together(self, states: Sequence[Tensor]) -> Tensor:
        """States of all exits in one, all of a token side by side."""
        axis = self._anatomy.batch_axis
        return torch.stack(list(states), dim=axis + 1).flatten(axis, axis + 1)

    def _refuse_other_logits(self, found: Tensor, chosen: Chosen) -> None:
        """The readout of the last layer must be the model's own logits."""
        gap = ((found - chosen.logit).abs() / chosen.largest.clamp_min(1e-12)).amax()
        if gap > TOLERANCE[self._readout.dtype]:
            raise MeasurementError(
                "the readout of the last layer gives the chosen token another logit than the model, by "
                f"{float(gap):.2g} of the largest; report this model"
            )


def _logit_cosines(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines to the last exit's logits, centred and raw: T × L × V → T × L."""
    mean = logits.mean(-1)
    # ⟨z_ℓ, z_L⟩ = ⟨c_ℓ, c_L⟩ + V m_ℓ m_L with c = z − m: one centred copy gives both without cancellation.
    centred = logits - mean[..., None]
    dot = torch.linalg.vecdot(centred, centred[:, -1:])  # as a product of matrices it would lose four digits
    square = torch.linalg.vector_norm(centred, dim=-1).square()
    size = logits.shape[-1]
    raw_dot, raw_square = dot + size * mean * mean[:, -1:], square + size * mean * mean
    return cosine(dot, square, square[:, -1]), cosine(raw_dot, raw_square, raw_square[:, -1])


def _hidden(entered: Tensor) -> Tensor:
    """Cosine to the last exit of the states that enter the head: T × L × d → T × L."""
    unit = normalize(entered.float(), dim=-1)
    return (unit * unit[:, -1:]).sum(-1)


def _refuse_not_finite(size: Tensor) -> None:
    """Refuse by a measure of size of each vector (T × L): it shows a single NaN, infinity or huge number."""
    bad = ~(size <= HUGE).all(0)
    if bad.any():
        what = "NaN" if size.isnan().any() else "not finite"
        raise MeasurementError(f"the logits are {what} from layer {int(bad.int().argmax()) + 1} of {len(bad)} on")
