"""Types of the fields that a person may write in YAML."""

import datetime
import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

WorkloadKind = Literal["chat", "completion", "masked", "text"]
"""How prompts are put to a model: through its chat template, as they stand, with masked tokens, or as they stand with a
text behind each that is given."""
ScorerName = Literal[
    "exact_number", "exact_answer", "contained_answer", "chrf", "bleu", "rouge_l", "pass_at_1", "lm_eval"
]
"""What an answer is held against its references with; docs/definitions.md says what each is."""
Stop = Annotated[str, Field(min_length=1)]
"""A string that ends an answer."""
Stage = Literal["base", "continued", "instruct", "distilled", "early-exit"]
Dtype = Literal["auto", "float32", "bfloat16", "float16"]

# Names become folders of the results and parts of pytest ids, so they can hold no separator and no leading dot.
NAME = r"^[A-Za-z0-9][A-Za-z0-9._+@-]*$"
NAME_LENGTH = 100
Name = Annotated[str, Field(pattern=NAME, max_length=NAME_LENGTH)]
HubId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?$")]


def _inside(path: str) -> str:
    if Path(path).is_absolute() or ".." in Path(path).parts:
        raise ValueError("must be a relative path without '..'")
    return path


def _year(value: Any) -> Any:
    """YAML turns 2024 into a number; the row wants the text."""
    return str(value) if type(value) is int else value


def _in_the_calendar(date: str) -> str:
    datetime.date.fromisoformat(date + "-01-01"[len(date) - 4 :])
    return date


def _no_zero_byte(path: str) -> str:
    if "\0" in path:
        raise ValueError("a path cannot hold a zero byte")
    return path


def at_home(path: str) -> Path:
    """Return a path whose `~` or `~user` in front is that person's home; `./~` is a folder called `~`."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path would take ./~ for ~


TaskName = Annotated[str, Field(pattern=r"^\w[\w.+@:-]*$", max_length=200)]
"""What lm-evaluation-harness calls a task."""
InnerPath = Annotated[str, Field(min_length=1), AfterValidator(_no_zero_byte), AfterValidator(_inside)]
ReleaseDate = Annotated[
    str, BeforeValidator(_year), Field(pattern=r"^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?$"), AfterValidator(_in_the_calendar)
]
HomePath = Annotated[str, Field(min_length=1), AfterValidator(_no_zero_byte)]
"""A path that may begin with `~`."""
