"""From what a model has written to scores: each answer by the scorer of the workload, against its references."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.cases.code.passes import passes
from benchmark.cases.identity import Asked
from benchmark.cases.studies.feeding import Fed
from benchmark.decoding.text.stops import answer_text
from benchmark.errors import CannotRun, ExitBenchError
from benchmark.inputs.fields import ScorerName
from benchmark.inputs.prompt import Prompt
from benchmark.metrics.answers.scorers import SCORERS
from benchmark.readout.loaded_model import LoadedModel

NOT_ALLOWED = (
    "the answers are code, and were not run, because nobody allowed it; measure again with --allow-code-execution "
    "--rerun all"
)

_OTHER_CODE = ("\nclass", "\n#", "\nif", "\nprint", "\nassert", '\n"""')
"""What no longer belongs to a function that a prompt begins or asks for; another function neither, if it begins one."""


@dataclass(frozen=True)
class Scores:
    """What the answers of a case are worth."""

    by_prompt: Mapping[int, float]
    """Score of each answer, by the number of its prompt; none where answers are not scored."""
    errors: list[str] | None = None
    """Ids of the prompts whose answers count as wrong because the scorer failed; None where answers are not scored."""
    missing: str | None = None
    """Why answers of a workload with a scorer are not scored."""

    def at_ends(self, prompt: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return the scores as a trace has them: at the last token of each prompt, NaN at all others.

        Args:
            prompt: T, the number of the prompt each token belongs to, in their order.
        """
        last = np.flatnonzero(np.diff(prompt, append=-1))
        scores = np.full(len(prompt), np.nan)
        scores[last] = [self.by_prompt.get(number, np.nan) for number in prompt[last].tolist()]
        return scores


def answer_texts(loaded: LoadedModel, fed: Fed, written: Mapping[int, Sequence[int]]) -> dict[int, str]:
    """Return the answer to each prompt, by its number: the text of its tokens, cut before the first stop string.

    Args:
        loaded: the model that wrote them.
        fed: the prompts.
        written: token ids behind each prompt, by its number.
    """
    prompts = fed.asked.prompts
    return {number: answer_text(loaded, ids, written[number], prompts[number].stop) for number, ids in fed.ids.items()}


def score_answers(asked: Asked, answers: Mapping[int, str]) -> Scores:
    """Return what answers are worth; an answer that the scorer fails on is worth nothing, and is named.

    Args:
        asked: has prompts, scorer, and whether code may be run.
        answers: texts, by the numbers of their prompts.
    """
    if asked.scorer is None:
        return Scores({})
    if asked.scorer == "pass_at_1" and not asked.allow_code_execution:
        return Scores({}, missing=NOT_ALLOWED)
    if asked.task is not None:
        try:
            return Scores(asked.task.scores(answers), [])
        except ExitBenchError as error:  # the task scores all of them together, or none
            return Scores({}, missing=str(error))
    scores: dict[int, float] = {}
    errors = []
    for number, answer in answers.items():
        prompt = asked.prompts[number]
        try:
            scores[number] = _score(asked.scorer, prompt, answer)
        except CannotRun as error:
            return Scores({}, missing=str(error))
        except Exception:  # whatever a library may raise for a text that nobody thought of
            scores[number] = 0.0
            errors.append(prompt.id)
    return Scores(scores, errors)


def _score(scorer: ScorerName, prompt: Prompt, answer: str) -> float:
    if scorer != "pass_at_1":
        return SCORERS[scorer].score(answer, prompt.targets)
    tests, code = "\n".join(prompt.targets), _first_block(prompt.text, answer)
    return float(bool(code.strip()) and passes(f"{prompt.text}{code}\n{tests}\n"))


def _first_block(prompt: str, answer: str) -> str:
    """Return an answer up to where other code begins, as Chen et al. (arXiv 2107.03374) cut completions.

    The text itself goes on: what a model writes behind its answer is decoded like any other text.
    """
    marks = (*_OTHER_CODE, "\ndef") if "def " in prompt else _OTHER_CODE
    begin = len(answer) - len(answer.lstrip("\n"))
    places = [place for mark in marks if (place := answer.find(mark, begin)) >= 0]
    return answer[: min(places, default=len(answer))]
