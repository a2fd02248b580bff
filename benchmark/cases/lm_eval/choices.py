"""Which layer already prefers the right answer: a task of lm-eval, scored by what each layer says of its choices."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.cases.lm_eval.likelihoods import Likelihood
from benchmark.cases.lm_eval.model import ExitBenchLM
from benchmark.errors import InputError
from benchmark.inputs.data.lm_eval_library import Evaluated, TaskPlace, answering, evaluated
from benchmark.readout.loaded_model import LoadedModel


@dataclass(frozen=True)
class Choices:
    """What a task makes of every layer's choices."""

    version: str
    """Of the task."""
    fewshot: int
    """Examples in front of each question."""
    values: dict[str, NDArray[np.float64]]
    """L × questions, by the name of the metric: what it gives for each; the last layer's are the full model's."""


class _EveryLayer(ExitBenchLM):
    """Keeps what each layer says of the choices that it is asked about."""

    def __init__(self, loaded: LoadedModel, batch_size: int) -> None:
        super().__init__(loaded, batch_size=batch_size)
        self.said: list[Likelihood] = []

    def _loglikelihood_tokens(
        self, requests: Sequence[tuple[Any, list[int], list[int]]], disable_tqdm: bool = False, **_: Any
    ) -> list[tuple[float, bool]]:
        self.said = self.compared(requests, every_layer=True)
        return []


def measure_choices(
    loaded: LoadedModel,
    place: TaskPlace,
    count: int | None = None,
    chat: bool = False,
    batch_size: int = 16,
    download: bool = False,
) -> Choices:
    """Return what the metrics of a multiple-choice task give, if each layer's readout had the last word.

    Every layer reads the same states, those of the full model; its readout is the model's own.

    Args:
        loaded: the model.
        place: of the task.
        count: the first so many questions; None for all.
        chat: whether questions go through the model's chat template.
        batch_size: the most choices that run together.
        download: whether data that are not on this machine may be fetched.

    Raises:
        CannotRun: lm-eval is not installed, or the data are not on this machine and may not be fetched.
        InputError: there is no such task, or it has no choices to compare.
        MeasurementError: logits are not finite, or memory ran out.
    """
    model, asked = _EveryLayer(loaded, batch_size), list[Any]()

    def record(kind: str, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        if kind != "loglikelihood":
            raise InputError(f"{place.where}: '{place.name}' has no choices to compare; it is a task of another kind")
        asked.extend(requests)
        return [(0.0, False)] * len(requests)

    found = evaluated(place, answering(record, model.apply_chat_template), count, chat, download)
    if any(len(sample["arguments"]) < 2 for sample in found.samples):
        raise InputError(f"{place.where}: '{place.name}' has questions without choices to compare")
    model.loglikelihood(asked, disable_tqdm=True)
    scored = [_scored(place, model, asked, layer, count, chat) for layer in range(loaded.anatomy.num_layers)]
    names = [name for name in scored[-1].samples[0]["metrics"] if all(_is_share(one, name) for one in scored)]
    if not names:
        raise InputError(f"{place.where}: no metric of '{place.name}' is a number from 0 to 1 for each question")
    values = {name: np.array([[sample[name] for sample in one.samples] for one in scored], float) for name in names}
    return Choices(found.version, found.fewshot, values)


def _scored(
    place: TaskPlace, model: _EveryLayer, asked: Sequence[Any], layer: int, count: int | None, chat: bool
) -> Evaluated:
    """Return what the task makes of the likelihoods of a layer, counted from 0."""

    def respond(_: str, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        if [request.args for request in requests] != [request.args for request in asked]:
            raise InputError(f"{place.where}: '{place.name}' asks other things each time")
        return [(float(one.log_probs[layer]), bool(one.greedy[layer])) for one in model.said]

    return evaluated(place, answering(respond, model.apply_chat_template), count, chat, download=False)


def _is_share(one: Evaluated, name: str) -> bool:
    values = [sample[name] for sample in one.samples]
    return all(isinstance(value, int | float) and 0 <= value <= 1 for value in values)
