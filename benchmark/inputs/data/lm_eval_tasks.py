"""Tasks of lm-evaluation-harness that generate, as workloads: their prompts, and what answers are worth by them.

The library builds each prompt for a model that writes conversations down as they are, so that prompts depend on no
model: turns go through a chat template where all others do. It scores answers by running the task once more with a
model that gives them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from benchmark.errors import InputError
from benchmark.inputs.data.lm_eval_library import GENERATES, Evaluated, TaskPlace, answering, evaluated
from benchmark.inputs.prompt import Prompt, Turn
from benchmark.inputs.workload_entry import WorkloadEntry
from benchmark.messages import cut, nearest

_LENGTHS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
"""What tasks call the most tokens of an answer."""
_OF_SAMPLING = ("temperature", "top_p", "top_k", "min_p")
"""What says nothing where nothing is drawn."""


@dataclass(frozen=True)
class Generation:
    """What a task says of how an answer is generated."""

    until: tuple[str, ...]
    """Strings that end it."""
    max_new_tokens: int | None
    """Tokens at most; None if it says nothing."""

    @classmethod
    def of(cls, settings: Mapping[str, Any], task: str) -> "Generation":
        """Return it of the settings of a request.

        Raises:
            InputError: they ask for something else than the likeliest tokens.
        """
        drawn = settings.get("do_sample")
        hot = settings.get("temperature") or 0
        if drawn or (drawn is None and hot > 0):
            raise InputError(f"{task}: draws answers at random, and ExitBench decodes the likeliest tokens alone")
        if others := sorted(set(settings) - {"until", "do_sample", *_LENGTHS, *_OF_SAMPLING}):
            raise InputError(f"{task}: generates with {cut(others[0])}, which ExitBench does not know")
        until = settings.get("until") or ()
        stops = [until] if isinstance(until, str) else list(until)
        lengths = [settings[name] for name in _LENGTHS if settings.get(name) is not None]
        return cls(tuple(filter(None, stops)), int(lengths[0]) if lengths else None)


@dataclass(frozen=True)
class GeneratingTask:
    """A task with its prompts."""

    place: TaskPlace
    chat: bool
    """Whether its prompts are conversations."""
    prompts: tuple[Prompt, ...]
    version: str
    fewshot: int
    """Examples in front of each question."""
    metric: str
    """By which answers are scored, with its filter, such as `exact_match,strict-match`."""

    @property
    def title(self) -> str:
        """What a row calls it."""
        return f"{self.place.name} {self.version}, {self.fewshot}-shot, {self.metric}"

    def scores(self, answers: Mapping[int, str]) -> dict[int, float]:
        """Return what the task's own filters and metric give for answers, from 0 to 1, by the numbers of their prompts.

        Args:
            answers: texts, by the numbers of their prompts; what was not answered counts for nothing.

        Raises:
            CannotRun: the library or the data are no longer here.
            InputError: the task asks other things than before, fails on an answer, or gives something else than 0 to 1.
        """

        def respond(kind: str, requests: Sequence[Any]) -> list[str]:
            asked = _once_each(requests)
            if [_messages(request.args[0], self.chat) for request in asked] != [one.messages for one in self.prompts]:
                raise InputError(f"{self.place.where}: the task asks other things than when its prompts were read")
            numbers = {id(request): number for number, request in enumerate(asked)}
            return [answers.get(numbers[id(request)], "") for request in requests]

        found = evaluated(self.place, answering(respond, _written), len(self.prompts), self.chat, download=False)
        values = _values(self.place, found, self.metric)
        return {number: values[number] for number in answers}


def read_task(entry: WorkloadEntry, count: int, download: bool) -> GeneratingTask:
    """Return the task of a workload with its first `count` prompts; fewer when it has fewer.

    Args:
        entry: of a source of lm-eval.
        count: of prompts.
        download: whether data that are not on this machine may be fetched.

    Raises:
        CannotRun: the library is not installed, or the data are not on this machine and may not be fetched.
        InputError: there is no such task, it does not generate, or a prompt or the metric cannot be used.
    """
    source = entry.source
    assert source.lm_eval is not None
    folder = None if source.include_path is None else entry.folder / source.include_path
    place = TaskPlace(source.lm_eval, folder, entry.where("source.lm_eval"))
    asked: list[Any] = []

    def record(kind: str, requests: Sequence[Any]) -> list[str]:
        if kind != GENERATES:
            raise InputError(
                f"{place.where}: '{place.name}' generates nothing, it compares likelihoods; see: exitbench choices"
            )
        asked.extend(_once_each(requests))
        return [""] * len(requests)

    chat = entry.kind == "chat"
    found = evaluated(place, answering(record, _written), count, chat, download)
    metric = _metric(entry, found)
    targets = [sample["target"] for sample in found.samples if sample["filter"] == metric.partition(",")[2]]
    if not len(asked) == len(_values(place, found, metric)) == len(targets):
        raise InputError(f"{place.where}: '{place.name}' does not ask for one answer to each question")
    prompts = [
        _prompt(place, f"{entry.name}/{number}", request.args, target, chat)
        for number, (request, target) in enumerate(zip(asked, targets, strict=True))
    ]
    return GeneratingTask(place, chat, tuple(prompts), found.version, found.fewshot, metric)


def _prompt(place: TaskPlace, name: str, arguments: Sequence[Any], target: Any, chat: bool) -> Prompt:
    context, settings = arguments[:2]
    references = target if isinstance(target, list) else [target]
    try:
        return Prompt(
            id=name,
            messages=_messages(context, chat),
            targets=tuple(map(str, references)),
            stop=Generation.of(settings, f"{place.where}: '{place.name}'").until,
        )
    except ValidationError as error:
        raise InputError(f"{place.where}: prompt {name}: {error.errors()[0]['msg']}") from None


def _written(turns: Sequence[Mapping[str, str]], begins: bool) -> str:
    """Return the turns of a conversation as a text, from which `_messages` gets them back."""
    if not begins:
        raise InputError("the task begins the answer itself, behind which no chat template goes on; use 'completion'")
    return json.dumps(list(turns))


def _messages(context: str, chat: bool) -> str | tuple[Turn, ...]:
    """Return what a request puts to a model; a conversation of one turn of the user is a text like any other."""
    if not chat:
        return context
    turns = tuple(Turn.model_validate(turn) for turn in json.loads(context))
    return turns[0].content if len(turns) == 1 and turns[0].role == "user" else turns


def _once_each(requests: Sequence[Any]) -> list[Any]:
    """Return requests that may be repeated, each once."""
    return list({id(request): request for request in requests}.values())


def _metric(entry: WorkloadEntry, found: Evaluated) -> str:
    """Return the metric and the filter by which answers are scored.

    Raises:
        InputError: the task has no such metric, or one that is the better the lower it is.
    """
    known = [f"{metric},{sample['filter']}" for sample in _firsts(found) for metric in sample["metrics"]]
    asked = entry.source.metric
    if asked is not None and asked not in known:
        near = nearest(asked, known)
        meant = f"; did you mean '{near}'?" if near else ""
        raise InputError(f"{entry.where('source.metric')}: the task has {' and '.join(known)}, not {cut(asked)}{meant}")
    chosen = asked or known[0]
    if not found.higher_is_better.get(chosen.partition(",")[0], True):
        raise InputError(f"{entry.where('source.metric')}: {chosen} is the better the lower it is, and scores are not")
    return chosen


def _firsts(found: Evaluated) -> list[dict[str, Any]]:
    """Return one sample of each filter."""
    return list({sample["filter"]: sample for sample in reversed(found.samples)}.values())[::-1]


def _values(place: TaskPlace, found: Evaluated, metric: str) -> list[float]:
    """Return what a metric gives for each answer.

    Raises:
        InputError: it is not a number from 0 to 1 for each.
    """
    name, _, of_filter = metric.partition(",")
    values = [sample[name] for sample in found.samples if sample["filter"] == of_filter]
    for value in values:
        if not isinstance(value, int | float) or not 0 <= value <= 1:
            raise InputError(
                f"{place.where}: {metric} of '{place.name}' gives an answer {cut(value)}, and a score is from 0 to 1; "
                "name another with 'metric'"
            )
    return [float(value) for value in values]
