"""The oracle study: the model's own greedy text, or one that was given, with every exit of every token."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmark.cases.identity import Asked
from benchmark.cases.studies.answers import Scores, answer_texts, score_answers
from benchmark.cases.studies.feeding import Fed, failures_told, feed, model_columns
from benchmark.cases.studies.study import Outcome, Shared
from benchmark.decoding.buffer import Capture, Phase, Progress
from benchmark.decoding.proven import Again, capture_proven
from benchmark.inputs.settings import EngineName
from benchmark.metrics.experiment import Experiment
from benchmark.metrics.experiments import EXPERIMENTS
from benchmark.models import hardware
from benchmark.readout.loaded_model import LoadedModel


@dataclass(frozen=True)
class Oracle:
    """Decodes every prompt that fits, or takes the text that was given behind it, and reads out every exit."""

    name: str = "oracle"
    experiments: tuple[Experiment[Any, Any], ...] = EXPERIMENTS

    def run(self, model: LoadedModel, asked: Asked, progress: Progress, shared: Shared) -> Outcome:
        """Return the trace of the prompts that fit.

        Raises:
            MeasurementError: no prompt fits the context, the logits are NaN, K is larger than the vocabulary, or memory
                ran out.
        """
        measurement = measure(model, asked, progress, shared.phase)
        return Outcome(measurement.capture.trace, _columns(measurement, model))


ORACLE = Oracle()


@dataclass(frozen=True)
class Measurement:
    """A capture, and how it was made."""

    fed: Fed
    capture: Capture
    with_cache: bool | None
    engine: EngineName | None
    """What decoded; None where the model wrote no text."""
    again: Again
    """What came of reading some of the texts again."""
    scores: Scores
    """What the answers are worth; the trace has them, too."""
    peak_memory_bytes: int


def measure(loaded: LoadedModel, asked: Asked, progress: Progress, phase: Phase = lambda what: None) -> Measurement:
    """Run every prompt that fits, record every exit, and score the answers.

    Args:
        loaded: the model.
        asked: prompts, and how they are run.
        progress: told after every step.
        phase: told what is done next.

    Raises:
        MeasurementError: as `Oracle.run` does.
    """
    fed = feed(loaded, asked)
    progress(0, fed.left_out)
    hardware.reset_peak_memory(loaded.device)
    with failures_told(fed):
        proven = capture_proven(
            loaded,
            fed.prompts,
            fed.limits,
            asked.sampling,
            progress,
            fed.given,
            in_two_phases=asked.engine == "two-phase",
            phase=phase,
        )
    phase("scoring")
    captured = proven.capture
    trace = replace(captured.trace, prompt=np.array(list(fed.ids))[captured.trace.prompt])
    written = {number: trace.token[trace.prompt == number].tolist() for number in fed.ids}
    scores = score_answers(asked, answer_texts(loaded, fed, written))
    return Measurement(
        fed=fed,
        capture=replace(captured, trace=replace(trace, score=scores.at_ends(trace.prompt))),
        engine=asked.engine and ("two-phase" if proven.in_two_phases else "generate"),
        again=proven.again,
        scores=scores,
        with_cache=None
        if asked.given and proven.model.with_cache
        else proven.model.with_cache and loaded.task != "masked",
        peak_memory_bytes=hardware.peak_memory(loaded.device),
    )


def _columns(measurement: Measurement, loaded: LoadedModel) -> dict[str, Any]:
    """The columns of a row that are known once the model has run, whatever is then made of its trace."""
    capture = measurement.capture
    return {
        **model_columns(loaded),
        **measurement.fed.columns,
        "batch_size": capture.batch_size,
        "tokens": capture.trace.num_tokens,
        "sampled_tokens": int(capture.trace.sampled.sum()),
        "signal_tokens": len(capture.trace.predictions),
        "engine": measurement.engine,
        "with_cache": measurement.with_cache,
        "reread_tokens": measurement.again.tokens,
        "reread_differing": measurement.again.differing,
        "score_errors": measurement.scores.errors,
        "score_missing": measurement.scores.missing,
        "generate_seconds": capture.generate_seconds,
        "oracle_seconds": capture.oracle_seconds,
        "peak_memory_bytes": measurement.peak_memory_bytes,
    }
