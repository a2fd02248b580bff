"""A training checkpoint: how an entry names it, and which step it was saved at."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from benchmark.inputs.yaml_reader import Strict
from benchmark.messages import cut

# Words that trainers put in front of the step, as in step1000-tokens4B, checkpoint-500, iter_0001000, global_step123.
# A number that runs on, as in step20k, is not a step.
_STEP = re.compile(r"(?<![a-z])(?:step|checkpoint|iter|iteration)[-_=]?([0-9]{1,12})(?![a-z0-9])", re.IGNORECASE)
_LAST_STEP = 10**12


def _plain(revision: str) -> str:
    path = PurePosixPath(revision)
    inside = path.parts and not path.is_absolute() and ".." not in path.parts
    # In its shortest form, so that no two spellings name the same checkpoint.
    if not inside or str(path) != revision or "\\" in revision or not revision.isprintable():
        raise ValueError("must be a plain name or relative path, such as step1000 or run1/checkpoint-500")
    return revision


Revision = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_plain)]
"""Branch, tag or commit of a hub repository, or a folder inside another one."""


class Checkpoint(Strict):
    """One item of an entry's `revisions`; written as a bare name when that tells the step."""

    revision: Revision
    """Branch, tag or commit of the hub repository, or subfolder of the path."""
    step: Annotated[int, Field(ge=0, le=_LAST_STEP)] | None = None
    """Training step; by default read from the name."""

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, data: Any) -> Any:
        if isinstance(data, str):
            return {"revision": data}
        if not isinstance(data, dict):
            raise ValueError("expected a name, in quotes if it is a number, or {revision: name, step: number}")
        return data

    @property
    def training_step(self) -> int | None:
        """The step as given or as its name tells it; None when neither does."""
        return step_in(self.revision) if self.step is None else self.step

    def name(self, entry: str) -> str:
        """Name of the checkpoint as a model of its own, from the name of its entry: `pythia-160m@step1000`."""
        return f"{entry}@{re.sub(r'[^A-Za-z0-9._+@-]+', '-', self.revision)}"


def _listed(revisions: Any) -> Any:
    if not isinstance(revisions, list) or not revisions:
        raise ValueError("expected a list such as [step1000, step2000]")
    return revisions


Revisions = Annotated[list[Checkpoint] | None, BeforeValidator(_listed)]
"""The training checkpoints of an entry; None when it lists none, which is not to be written."""


def refuse_clashes(checkpoints: Sequence[Checkpoint], entry: str, longest: int) -> None:
    """Make sure that every checkpoint of the entry has a name of its own, of at most `longest` characters.

    Raises:
        ValueError: two share a name, or one is too long.
    """
    named: dict[str, str] = {}
    for checkpoint in checkpoints:
        revision, name = checkpoint.revision, checkpoint.name(entry)
        if len(name) > longest:
            raise ValueError(f"'revisions': {cut(name)} is longer than {longest} characters; give a shorter 'name'")
        # Some file systems do not tell A from a.
        earlier = named.get(name.casefold())
        if earlier == revision:
            raise ValueError(f"'revisions' lists '{revision}' twice; leave one out")
        if earlier is not None:
            raise ValueError(
                f"'revisions': '{earlier}' and '{revision}' make the same name; put one into an entry with a 'name'"
            )
        named[name.casefold()] = revision


def step_in(revision: str) -> int | None:
    """The training step in the name of a checkpoint: the number after `step`, `checkpoint`, `iter` or `iteration`.

    None when there is no such number, or when there are several that differ.
    """
    steps = {int(number) for number in _STEP.findall(revision)}
    return steps.pop() if len(steps) == 1 else None
