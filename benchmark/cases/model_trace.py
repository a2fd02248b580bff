"""What a model's layers said about every token it wrote, and the numbers that follow; needs the model no longer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from benchmark.metrics.exits import first_match, settled
from benchmark.metrics.experiments import EXPERIMENTS, TAU, Choices
from benchmark.results.row import Row
from benchmark.trace.costs import Costs
from benchmark.trace.record import Trace


@dataclass(frozen=True, repr=False)
class ModelTrace:
    """The trace of a model on some prompts, and how it was made."""

    arrays: Trace
    """The record: arrays of tokens × layers, each documented where it is declared."""
    prompts: tuple[str, ...]
    """Texts; `arrays.prompt` counts them from 0."""
    costs: Costs | None
    """What a token costs in each layer of the model; None where that cannot be read off it."""
    setting: dict[str, Any]
    """Columns that tell how it was made."""

    def columns(self, alpha: float = 0.5, tau: Sequence[float] = TAU) -> pd.Series:
        """Every column that a row of the results has of such a measurement, by its name there.

        Args:
            alpha: weight of similarity against depth in EAS, in [0, 1].
            tau: thresholds of the τ-oracle, each in [−1, 1].

        Raises:
            ValueError: alpha or a threshold is outside its range.
        """
        choices = Choices(alpha, self.setting["seed"], tuple(tau), self.costs)
        known = {**self.setting, "alpha": alpha}
        for experiment in EXPERIMENTS.values():
            known |= experiment(self.arrays, choices)
        return pd.Series({name: known[name] for name in Row.model_fields if name in known}, dtype=object)

    def tokens(self) -> pd.DataFrame:
        """One line a token, as `token_table` gives it."""
        return token_table(self.arrays)

    def __repr__(self) -> str:
        """One line; arrays are for looking at on purpose."""
        arrays = self.arrays
        return f"<{self.setting['model']}: {arrays.num_tokens} tokens × {arrays.num_layers} layers>"


def token_table(trace: Trace) -> pd.DataFrame:
    """Where each token of a trace could have exited.

    Returns:
        T lines, in the order of the text: `prompt` and `position`, counted from 0; `token`, its id; `text`, what it
        adds to the text; `exit_layer`, its first match, and `exit_layer_settled`, both in 1..L.
    """
    return pd.DataFrame(
        {
            "prompt": trace.prompt,
            "position": trace.position,
            "token": trace.target,
            "text": trace.text,
            "exit_layer": first_match(trace.matches),
            "exit_layer_settled": settled(trace.matches),
        }
    )
