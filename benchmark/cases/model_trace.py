"""What a job leaves in memory: the trace of a model on some prompts, and the numbers that follow; needs no model."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmark.errors import InputError
from benchmark.inputs.settings import refuse_below_one, refuse_other
from benchmark.metrics.experiments import score
from benchmark.metrics.experiments.gates import EVERY_GATE
from benchmark.metrics.experiments.studies import Record
from benchmark.metrics.gates.gate import Gate
from benchmark.metrics.gates.judged import looks_of
from benchmark.metrics.gates.seen import Seen
from benchmark.metrics.scoring import ALPHA, TAU, Scoring
from benchmark.metrics.tables.gate_curve import gate_curve
from benchmark.metrics.tables.speculation import speculation_table
from benchmark.metrics.tables.tokens import token_table
from benchmark.results.row import Row
from benchmark.trace.costs import Costs, costs_of_columns
from benchmark.trace.record import Trace


class InMemory:
    """A store of one row that writes nothing to disk; what `run_job` leaves stands in `row` and `trace`."""

    row: Row
    trace: Trace

    def path(self, model: str, workload: str, suite: str, configuration: str) -> Path:
        """Return a path that stands for the case; nothing is there."""
        return Path(model, workload, f"{suite}-{configuration}.json")

    @contextmanager
    def claim(self, path: Path, waiting: Callable[[str], None]) -> Iterator[None]:
        """Hold the case, which nobody else knows of."""
        yield

    def read(self, path: Path) -> Row | None:
        """Return None: there is no earlier run."""
        return None

    def tokens(self, path: Path, row: Row) -> Trace:
        """Return the trace."""
        return self.trace

    def write(self, path: Path, row: Row, record: Record | None = None) -> Row:
        """Keep a row and its trace."""
        self.row = row
        if isinstance(record, Trace):
            self.trace = record
        return row

    def update(self, path: Path, change: Callable[[Row], Row]) -> Row:
        """Replace the row by what `change` makes of it."""
        self.row = change(self.row)
        return self.row


@dataclass(frozen=True, repr=False)
class ModelTrace:
    """The trace of a model on some prompts, and how it was made."""

    arrays: Trace
    """The record: arrays of tokens × layers, each documented where it is declared."""
    prompts: tuple[str, ...]
    """Texts; `arrays.prompt` counts them from 0."""
    row: Row
    """The row of results that such a measurement has."""

    @property
    def costs(self) -> Costs | None:
        """What a token costs in each layer of the model; None where that cannot be read off it."""
        return costs_of_columns(self.row.model_dump())

    def columns(self, alpha: float = ALPHA, tau: Sequence[float] = TAU) -> pd.Series:
        """Return every column of the row, by name, scored with these settings.

        Args:
            alpha: weight of similarity against depth in EAS, in [0, 1].
            tau: thresholds of the τ-oracle, each in [−1, 1].

        Raises:
            InputError: alpha or a threshold is outside its range.
        """
        scoring = Scoring(alpha, tuple(tau), self.row.seed)
        columns = self.row.of_study() | {"alpha": alpha, "tau": list(scoring.tau)}
        return pd.Series(columns | score(self.arrays, scoring, self.costs), dtype=object)

    def speculation(self, exit_layer: int, draft_length: int) -> pd.DataFrame:
        """Return what self-speculation would do, one line a prompt; its text is that of plain decoding.

        Args:
            exit_layer: E, whose layers draft; in 1..L − 1.
            draft_length: γ, tokens of a draft; at least 1.

        Returns:
            `prompt`, counted from 0; `tokens` of its text; `rounds`, the passes of the whole model; `tokens_per_round`;
            `speedup` and `speedup_unshared`, in bytes of weights, where draft and check share one cache, and where the
            check computes the first layers again; NaN where costs are not known.

        Raises:
            InputError: E or γ is outside its range, or the text is not the model's own: it is an encoder, which writes
                none, or the text was given.
        """
        if self.row.architecture == "encoder":
            raise InputError("speculation: an encoder writes no text; use a model that does")
        if self.row.capture == "given":
            raise InputError("speculation: the texts were given, and a model drafts its own; use `trace`")
        layers = self.arrays.num_layers
        if not isinstance(exit_layer, int) or not 1 <= exit_layer < layers:
            raise InputError(f"exit_layer: must be a whole number from 1 to {layers - 1}, not {exit_layer!r}")
        refuse_below_one("draft_length", draft_length)
        return speculation_table(self.arrays, self.costs, exit_layer, draft_length)

    def gate_curve(self, gate: str | Gate, *, min_exit_layer: int = 1, check_every: int = 1) -> pd.DataFrame:
        """Return all that a gate can do on these texts, one line a threshold at which something changes.

        Args:
            gate: one of `exitbench`'s by name, such as `margin`, or one of your own. It sees the tokens that it is
                judged on, and a gate that is fitted is fitted to them; the columns of a row are judged on others.
            min_exit_layer: the layer from which on it looks.
            check_every: every how many layers it looks.

        Returns:
            `threshold`, λ, falling, infinite where no token leaves; `skip_ratio`; `agreement`, the share of tokens that
            are the full model's; `speed`, in bytes, looks paid, NaN where costs are not known.

        Raises:
            InputError: there is no such gate, a layer is outside its range, or the gate needs signals of all tokens and
                the trace has only those of the sample.
        """
        if not isinstance(gate, Gate):
            refuse_other("gate", gate, EVERY_GATE)
            gate = EVERY_GATE[gate]
        layers = self.arrays.num_layers
        refuse_below_one("check_every", check_every)
        if not isinstance(min_exit_layer, int) or not 1 <= min_exit_layer < layers:
            raise InputError(f"min_exit_layer: must be a whole number from 1 to {layers - 1}, not {min_exit_layer!r}")
        if gate.vocabulary and not self.arrays.signalled.all():
            raise InputError(
                f"gate '{gate.name}': signals were kept of {len(self.arrays.predictions)} of "
                f'{self.arrays.num_tokens} tokens; trace with signals="all"'
            )
        seen = Seen.of(self.arrays, self.row.vocab_size or 0).at(looks_of(layers, min_exit_layer, check_every))
        return gate_curve(gate, seen, self.costs)

    def tokens(self) -> pd.DataFrame:
        """Return one line a token, as `token_table` gives it."""
        return token_table(self.arrays)

    def __repr__(self) -> str:
        """One line; arrays are for looking at on purpose."""
        arrays = self.arrays
        return f"<{self.row.model}: {arrays.num_tokens} tokens × {arrays.num_layers} layers>"
