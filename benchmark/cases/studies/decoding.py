"""The decoding study: a text that goes on from what early exits say, beside the one that the full model writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmark.cases.identity import Asked
from benchmark.cases.studies.answers import Scores, answer_texts, score_answers
from benchmark.cases.studies.chosen_gate import chosen_gate, halves, key_of
from benchmark.cases.studies.feeding import Fed, failures_told, feed, model_columns
from benchmark.cases.studies.gated_rule import asked_looks, rule_of
from benchmark.cases.studies.study import Outcome, Shared
from benchmark.decoding.batching import batches
from benchmark.decoding.buffer import Progress
from benchmark.decoding.gated.again import Written, decode_proven
from benchmark.decoding.gated.proof import prove_gated
from benchmark.decoding.gated.rule import NEVER, GatedText, Rule
from benchmark.decoding.text.stops import continued
from benchmark.decoding.text.words import read_pieces
from benchmark.errors import MeasurementError
from benchmark.inputs.settings import GatedSettings
from benchmark.metrics.experiment import Experiment
from benchmark.metrics.experiments.studies import RECORDED
from benchmark.metrics.gates.gate import Gate
from benchmark.models import hardware
from benchmark.readout.loaded_model import LoadedModel
from benchmark.trace.decoded import Decoded, Gated


@dataclass(frozen=True)
class Decoding:
    """Decodes prompts with early exits, and once without."""

    name: str = "decoding"
    experiments: tuple[Experiment[Any, Any], ...] = RECORDED["decoding"].experiments

    def run(self, model: LoadedModel, asked: Asked, progress: Progress, shared: Shared) -> Outcome:
        """Return both texts of every prompt that is decoded; a gate with a threshold decodes all, others half of them.

        Raises:
            MeasurementError: no prompt fits the context, the model cannot be decoded so, no threshold reaches the
                target, or memory ran out.
        """
        assert asked.gated is not None
        if model.task == "masked":
            raise MeasurementError("encoders write no text, so nothing can leave early; choose the oracle study")
        if asked.given:
            raise MeasurementError("the texts are given, so nothing is decoded; choose the oracle study")
        policy = asked.gated.policy
        proven = shared.once(("proven", policy), lambda: prove_gated(model, policy))
        return _Case(proven, asked, asked.gated, shared).outcome(progress)


DECODING = Decoding()


class _Case:
    """One case, from prompts to record."""

    def __init__(self, model: LoadedModel, asked: Asked, gated: GatedSettings, shared: Shared) -> None:
        self._model = model
        self._asked = asked
        self._gated = gated
        self._shared = shared
        self._layers = model.anatomy.num_layers
        self._looks = asked_looks(gated, self._layers)

    def outcome(self, progress: Progress) -> Outcome:
        """Return the record of the case, and what is known of how it was made."""
        every = feed(self._model, self._asked)
        judged, calibration = halves(every, self._gated)
        progress(0, len(every.ids) - len(judged.ids) + every.left_out)
        hardware.reset_peak_memory(self._model.device)
        with failures_told(every):
            self._shared.phase("choosing a threshold")
            chosen = chosen_gate(self._model, self._gated, calibration, self._shared)
            self._shared.phase("decoding in full")
            full = self._full(judged)
            looks, vocab_size = self._looks.tolist(), self._model.readout.vocab_size
            rule = rule_of(chosen.gate, chosen.threshold, looks, self._layers, vocab_size)
            self._shared.phase("decoding with early exits")
            written = self._written(judged, rule, progress)
        self._shared.phase("scoring")
        decoded, scores = self._recorded(chosen.gate, judged, written.texts, full.texts)
        tokens = decoded.num_tokens
        columns = {
            **model_columns(self._model),
            **judged.columns,
            "batch_size": _batch_size(written.model, judged),
            "tokens": tokens,
            "full_tokens": len(decoded.token) - tokens,
            "with_cache": written.model.with_cache,
            "reread_tokens": written.again_tokens or None,
            "reread_differing": written.again_differing if written.again_tokens else None,
            "threshold": chosen.threshold,
            "calibration_prompts": None if calibration is None else len(calibration.ids),
            "calibration_agreement": chosen.agreement,
            "score_errors": scores.errors,
            "score_missing": scores.missing,
            "gated_seconds": written.seconds,
            "full_seconds": full.seconds,
            "peak_memory_bytes": hardware.peak_memory(self._model.device),
        }
        return Outcome(decoded, columns)

    def _full(self, judged: Fed) -> Written:
        """Return the full model's texts."""
        return self._shared.once(("full", *key_of(judged)), lambda: self._written(judged, NEVER))

    def _written(self, judged: Fed, rule: Rule, progress: Progress = lambda tokens, prompts: None) -> Written:
        """Return the texts behind some prompts."""
        return decode_proven(self._model, judged.prompts, judged.limits, rule, self._gated.policy, progress)

    def _recorded(
        self, gate: Gate, judged: Fed, texts: Sequence[GatedText], full: Sequence[GatedText]
    ) -> tuple[Decoded, Scores]:
        """Return the record, and the scores of the texts with early exits."""
        gated = Gated(gate.name, gate.head, self._gated.policy, tuple(self._looks.tolist()), self._layers)
        own, scores = self._columns(judged, texts, full=False)
        others, _ = self._columns(judged, full, full=True)
        return Decoded(gated, **{name: np.concatenate([own[name], others[name]]) for name in own}), scores

    def _columns(self, judged: Fed, written: Sequence[GatedText], full: bool) -> tuple[dict[str, Any], Scores]:
        """Return the arrays of the record that are of some texts, and what their answers are worth."""
        tokens = {number: text.tokens for number, text in zip(judged.ids, written, strict=True)}
        answers = answer_texts(self._model, judged, tokens)
        scores = score_answers(self._asked, answers)
        lengths = [len(text.tokens) for text in written]
        prompt = np.repeat(np.array(list(judged.ids), np.int32), lengths)
        answer = np.full(len(prompt), "", object)
        answer[np.cumsum(lengths) - 1] = list(answers.values())
        pieces = [
            piece
            for ids, text in zip(judged.prompts, written, strict=True)
            for piece in read_pieces(self._model.tokenizer, list(continued(self._model, ids)), list(text.tokens))[0]
        ]
        arrays = {
            "prompt": prompt,
            "position": np.concatenate([np.arange(length) for length in lengths]),
            "token": np.concatenate([text.tokens for text in written]),
            "exit_layer": np.concatenate([text.exits for text in written]),
            "full": np.full(len(prompt), full),
            "text": np.array(pieces, dtype=object),
            "answer": answer,
            "score": scores.at_ends(prompt),
        }
        return arrays, scores


def _batch_size(model: LoadedModel, judged: Fed) -> int:
    """Return the most prompts that were decoded together."""
    if not model.with_cache:
        return 1
    return max(map(len, batches(model, judged.prompts, judged.limits.batch_size, judged.limits.max_new_tokens)))
