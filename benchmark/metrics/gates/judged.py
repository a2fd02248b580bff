"""From curves to what a gate gives: thresholds that are chosen on one half of the prompts, and judged on the other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from benchmark.metrics.gates.certified import THRESHOLDS, certified
from benchmark.metrics.gates.curve import curve, exits_at
from benchmark.metrics.gates.gate import Gate, Scores
from benchmark.metrics.gates.seen import Seen
from benchmark.metrics.statistics.folds import Fold, two_folds
from benchmark.trace.costs import Costs

TARGETS = (0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.0)
"""Shares of the tokens that are to stay the full model's."""
_SPACINGS = (1, 2, 4, 8)
"""Every how many layers a gate looks, where looks cost."""
_STARTS = (0.0, 0.25, 0.5, 0.75)
"""Shares of the depth at which it begins to look."""
_ROUNDING = 1e-9
Aim = Literal["skip", "speed"]
AIMS: tuple[Aim, ...] = get_args(Aim)


@dataclass(frozen=True)
class Choice:
    """A gate with its threshold and its looks."""

    gate: Gate
    min_exit_layer: int
    check_every: int
    threshold: float
    """Infinite where no token may leave."""
    gain: float
    """What it was chosen for: layers skipped, or bytes saved, summed over the tokens that it was chosen by."""


Choices = dict[Aim, list[Choice]]
"""Of one gate: for each aim, a choice for each of `TARGETS`."""


@dataclass(frozen=True)
class Judged:
    """Where every token leaves by thresholds that other prompts have chosen."""

    exits: NDArray[np.int64]
    """N: layers, in 1..L."""
    read: NDArray[np.float64]
    """N: bytes read, looks paid; NaN without costs."""


def bytes_by_exit(head: bool, looks: NDArray[np.int64], costs: Costs) -> NDArray[np.float64]:
    """Return what a token reads that leaves at each look, and one that does not leave: K + 1, bytes.

    C(1..exit) + M + looks · H, and H once more unless the last look has paid it.

    Args:
        head: whether a look takes the output head.
        looks: K layers, ascending.
        costs: of one token.
    """
    upto = np.cumsum([layer.weight_bytes for layer in costs.layers], dtype=np.float64)
    layers = np.append(upto[looks - 1], upto[-1]) + costs.embedding_bytes
    heads = np.append(np.arange(1, len(looks) + 1), len(looks) + 1) if head else np.ones(len(looks) + 1)
    return layers + heads * costs.head_bytes


def looks_of(num_layers: int, min_exit_layer: int, check_every: int) -> NDArray[np.int64]:
    """Return the layers at which a gate looks: every so many from one on, below the last."""
    return np.arange(min_exit_layer, num_layers, check_every)


def spacings(gate: Gate, num_layers: int) -> list[tuple[int, int]]:
    """Return the layers to start from and the distances of looks that are tried, beginning with every layer from the
    first on; where looks are free, only that."""
    if not gate.head or num_layers < 2:
        return [(1, 1)]
    starts = {max(1, round(share * num_layers)) for share in _STARTS}
    distances = [every for every in _SPACINGS if every < num_layers]
    return [(start, every) for start in sorted(starts) if start < num_layers for every in distances]


def choose(gate: Gate, seen: Seen, costs: Costs | None) -> Choices:
    """Return the best choices by some tokens, which the gate is fitted to.

    For skipping a gate looks at every layer; for speed, only as often as it pays. Among equals it is the choice that
    looks the most often, with the strictest threshold. Without costs speed is not known, and only skipping counts.
    """
    fitted, layers = gate.fitted(seen), seen.num_layers
    enough = np.array(TARGETS) * len(seen.prompt) - _ROUNDING
    tried: dict[Aim, list[list[Choice]]] = {"skip": [], "speed": []}
    for start, every in spacings(gate, layers):
        at = seen.at(looks_of(layers, start, every))
        skipped = layers - np.append(at.looks, layers).astype(np.float64)
        saved = skipped if costs is None else costs.token_bytes - bytes_by_exit(gate.head, at.looks, costs)
        found = curve(fitted.score(at), at.matches, np.stack([skipped, saved], axis=1))
        # S × targets: what a threshold gains, if it keeps enough tokens.
        kept = (found.right[:, None] >= enough)[..., None]
        gains = np.where(kept, found.sums[:, None, :], -np.inf)
        places = gains.argmax(axis=0)
        for column, aim in enumerate(AIMS):
            if aim == "speed" or (start, every) == (1, 1):
                tried[aim].append(
                    [
                        Choice(
                            fitted, start, every, float(found.thresholds[place]), float(gains[place, number, column])
                        )
                        for number, place in enumerate(places[:, column])
                    ]
                )
    # Of each target; `max` gives the first among equals.
    return {aim: [max(some, key=_gain) for some in zip(*lists, strict=True)] for aim, lists in tried.items()}


def _gain(choice: Choice) -> float:
    return choice.gain


def apply(choices: Sequence[Choice], seen: Seen, costs: Costs | None) -> list[Judged]:
    """Return where some tokens leave, by each choice of one gate."""
    scores: dict[tuple[int, int], tuple[Seen, Scores]] = {}
    judged = []
    for choice in choices:
        spacing = choice.min_exit_layer, choice.check_every
        if spacing not in scores:
            at = seen.at(looks_of(seen.num_layers, *spacing))
            scores[spacing] = at, choice.gate.score(at)
        at, score = scores[spacing]
        exits = exits_at(score, choice.threshold)
        read = np.full(len(exits), np.nan) if costs is None else bytes_by_exit(choice.gate.head, at.looks, costs)[exits]
        judged.append(Judged(np.append(at.looks, at.num_layers)[exits], read))
    return judged


@dataclass(frozen=True)
class Trial:
    """What gates give: the choices of each half of the prompts, and what they do to the other."""

    folds: list[Fold]
    chosen: list[dict[str, Choices]]
    """Of each fold, by gate."""
    judged: list[dict[tuple[str, Aim], list[Judged]]]
    """The same choices on the tokens that judge them, by gate and aim."""
    on_all: dict[str, Choices]
    """The choices of all prompts, by gate; they are told and not judged."""

    @classmethod
    def of(cls, gates: Sequence[Gate], seen: Seen, costs: Costs | None) -> "Trial":
        """Choose and judge both ways."""
        folds = two_folds(seen.prompt)
        chosen = [{gate.name: choose(gate, seen.tokens(by), costs) for gate in gates} for by, _ in folds]
        judged = [
            {
                (name, aim): apply(choices[aim], seen.tokens(judge), costs)
                for name, choices in some.items()
                for aim in AIMS
            }
            for (_, judge), some in zip(folds, chosen, strict=True)
        ]
        on_all = chosen[0] if len(folds) == 1 else {gate.name: choose(gate, seen, costs) for gate in gates}
        return cls(folds, chosen, judged, on_all)

    def gate(self, name: str, aim: Aim, target: int) -> Judged:
        """Return where every token leaves by one gate; `target` is a number of `TARGETS`."""
        return self._together([some[name, aim][target] for some in self.judged])

    def best(self, names: Sequence[str], aim: Aim, target: int) -> Judged:
        """Return where every token leaves by the gate that the other half likes best."""
        likes = [self._liked(some, names, aim, target) for some in self.chosen]
        return self._together([some[name, aim][target] for some, name in zip(self.judged, likes, strict=True)])

    def liked(self, names: Sequence[str], aim: Aim, target: int) -> str:
        """Return the gate that all prompts like best; the first among equals."""
        return self._liked(self.on_all, names, aim, target)

    @staticmethod
    def _liked(choices: dict[str, Choices], names: Sequence[str], aim: Aim, target: int) -> str:
        return max(names, key=lambda name: _gain(choices[name][aim][target]))

    def _together(self, parts: Sequence[Judged]) -> Judged:
        tokens = len(self.folds[0][0])
        exits, read = np.empty(tokens, np.int64), np.empty(tokens)
        for (_, judge), part in zip(self.folds, parts, strict=True):
            exits[judge], read[judge] = part.exits, part.read
        return Judged(exits, read)


def certify(gate: Gate, seen: Seen, trial: Trial) -> tuple[float, Judged] | None:
    """Return the laxest threshold that is certified to change at most 5 % of the tokens, and where tokens then leave.

    A gate that is fitted is certified on the half of the prompts that its first fold is not fitted to; without another
    half there is no guarantee.

    Args:
        gate: as it was before it was fitted.
        seen: all tokens.
        trial: of the gate on these tokens.
    """
    fitted = trial.chosen[0][gate.name]["skip"][0].gate
    if fitted is not gate and len(trial.folds) == 1:
        return None
    some = seen if fitted is gate else seen.tokens(trial.folds[0][1])
    number = certified(np.stack(list(_risks(fitted, some)), axis=1))
    if number is None:
        return None
    choice = Choice(fitted, 1, 1, THRESHOLDS[number], 0.0)
    return choice.threshold, apply([choice], some, None)[0]


def _risks(gate: Gate, seen: Seen) -> Iterator[NDArray[np.float64]]:
    """Yield the share of tokens that change, by prompt, at each threshold in the order of the test."""
    _, member, sizes = np.unique(seen.prompt, return_inverse=True, return_counts=True)
    score = gate.score(seen)
    right = np.concatenate([seen.matches, np.ones((len(member), 1), bool)], axis=1)
    for threshold in THRESHOLDS:
        wrong = ~right[np.arange(len(member)), exits_at(score, threshold)]
        yield np.bincount(member, weights=wrong) / sizes
