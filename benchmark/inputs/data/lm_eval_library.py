"""lm-evaluation-harness, as far as this project uses it: an extra, imported when a task of it is asked for.

Its tasks are run by `simple_evaluate` with a model of ours that is asked for answers. What a task asks and what answers
are worth is its own doing, and nothing of it is done again here.
"""

import logging
import os
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.errors import CannotRun, ExitBenchError, InputError, NotFetched
from benchmark.inputs.data.datasets_library import offline
from benchmark.messages import cut, nearest, printable

GENERATES = "generate_until"
"""The kind of request that asks for a text."""
Respond = Callable[[str, Sequence[Any]], list[Any]]
"""From the kind of some requests, and these, to an answer for each. A request has `args`."""


@dataclass(frozen=True)
class TaskPlace:
    """Which task, and where it is."""

    name: str
    folder: Path | None
    """With task files of somebody's own; None for the tasks that come with the library."""
    where: str
    """Who asks for it, for error messages, such as `sums.yaml: source.lm_eval`."""


@dataclass(frozen=True)
class Evaluated:
    """What the library says of a task and of some answers."""

    samples: list[dict[str, Any]]
    """One for each question and filter: `filter`, `metrics`, `target`, and the value of each metric by its name."""
    version: str
    fewshot: int
    """Examples in front of each question."""
    higher_is_better: dict[str, bool]
    """By the name of the metric."""


def require() -> None:
    """Make sure that the library is there.

    Raises:
        CannotRun: it is not installed; says how to install it.
    """
    if find_spec("lm_eval") is None:
        raise CannotRun("lm-evaluation-harness is not installed", "pip install 'exitbench[lm-eval]'")


def library_version() -> str:
    """Return the version of the library."""
    return metadata.version("lm_eval")


def answering(respond: Respond, write_chat: Callable[[list[dict[str, str]], bool], str] | None = None) -> Any:
    """Return a model of the library whose answers a function gives.

    Args:
        respond: gives them.
        write_chat: makes a prompt of the turns of a conversation, and of whether the model is to begin a turn.

    Raises:
        CannotRun: the library is not installed.
    """
    require()
    from lm_eval.api.model import LM

    class Answering(LM):
        tokenizer_name = "exitbench"

        def generate_until(self, requests: Sequence[Any]) -> list[Any]:
            return respond(GENERATES, requests)

        def loglikelihood(self, requests: Sequence[Any]) -> list[Any]:
            return respond("loglikelihood", requests)

        def loglikelihood_rolling(self, requests: Sequence[Any]) -> list[Any]:
            return respond("loglikelihood_rolling", requests)

        def apply_chat_template(self, turns: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
            assert write_chat is not None
            return write_chat(turns, add_generation_prompt)

    return Answering()


def evaluated(place: TaskPlace, model: Any, count: int | None, chat: bool, download: bool) -> Evaluated:
    """Run a task, with its own number of examples, and return what came of it.

    Args:
        place: which task.
        model: of the library.
        count: the first so many questions; None for all.
        chat: whether questions are put as conversations.
        download: whether data that are not on this machine may be fetched.

    Raises:
        CannotRun: the data are not on this machine and may not be fetched.
        InputError: there is no such task, or it cannot be run; an error of the model passes as it is.
    """
    with _to_itself(not download):
        import datasets
        from lm_eval import simple_evaluate

        manager = _manager(place)
        try:
            results = simple_evaluate(
                model=model,
                tasks=[place.name],
                task_manager=manager,
                limit=count,
                apply_chat_template=chat,
                bootstrap_iters=0,
                torch_random_seed=None,  # nothing here draws from it
            )
        except ExitBenchError:
            raise
        except (ConnectionError, datasets.exceptions.DatasetNotFoundError) as error:
            if not download:
                raise NotFetched(f"data of the task {place.name} of lm-eval") from None
            raise CannotRun(f"data of the task {place.name} cannot be fetched", _line(error), place.where) from None
        except Exception as error:  # whatever tasks, filters and metrics, which are programs, may raise
            kind = type(error).__name__
            raise InputError(f"{place.where}: lm-eval cannot run '{place.name}': {kind}: {_line(error)}") from None
    return Evaluated(
        samples=results["samples"][place.name],
        version=str(results["versions"][place.name]),
        fewshot=int(results["n-shot"][place.name]),
        higher_is_better=results["higher_is_better"][place.name],
    )


def _manager(place: TaskPlace) -> Any:
    """Return what knows the task.

    Raises:
        InputError: nobody knows it, or it is a group of tasks.
    """
    if place.folder is not None and not place.folder.is_dir():
        raise InputError(f"{place.where}: no folder {printable(place.folder)}; name the one with the task's YAML file")
    own = None if place.folder is None else _tasks_of(place.folder)
    manager = own if own is not None and place.name in own.all_subtasks else _shipped()
    if place.name in manager.all_subtasks:
        return manager
    if place.name in manager.all_groups or place.name in manager.all_tags:
        raise InputError(f"{place.where}: '{place.name}' is a group of tasks; name one of them: lm_eval ls tasks")
    known = [*(own.all_subtasks if own is not None else ()), *manager.all_subtasks]
    near = nearest(place.name, known)
    meant = f"; did you mean '{near}'?" if near else "; they are listed by: lm_eval ls tasks"
    raise InputError(f"{place.where}: lm-eval has no task {cut(place.name)}{meant}")


def _tasks_of(folder: Path) -> Any:
    """Return the tasks of a folder alone; the library's own are seconds to read, and these may be changed any time."""
    from lm_eval.tasks import TaskManager

    return TaskManager(include_path=folder, include_defaults=False)


@cache
def _shipped() -> Any:
    """Return the tasks that come with the library."""
    from lm_eval.tasks import TaskManager

    return TaskManager()


@contextmanager
def _to_itself(no_network: bool) -> Iterator[None]:
    """Inside the block the library keeps to itself: no network, no chatter, and nobody else's random numbers."""
    import datasets

    logger = logging.getLogger("lm_eval")
    level, numbers, of_numpy = logger.level, random.getstate(), np.random.get_state()
    with ExitStack() as stack:
        stack.enter_context(_silent())
        stack.enter_context(offline(datasets.config, no_network))
        import evaluate

        stack.enter_context(offline(evaluate.config, no_network, "HF_EVALUATE_OFFLINE"))
        logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            logger.setLevel(level)
            random.setstate(numbers)
            np.random.set_state(of_numpy)


@contextmanager
def _silent() -> Iterator[None]:
    """Inside the block nothing reaches standard error, where the library, its bars and its programs write."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    stream = sys.stderr
    try:
        os.dup2(nowhere, 2)
        with open(os.devnull, "w") as sink:  # noqa: PTH123 - in tests it is not file 2
            sys.stderr = sink
            yield
    finally:
        sys.stderr = stream
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
