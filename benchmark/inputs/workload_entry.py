"""A workload file: which prompts, how they are put to the model, how much is generated."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from benchmark.errors import InputError
from benchmark.inputs.checkpoints import Revision
from benchmark.inputs.fields import HubId, InnerPath, ScorerName, Stop, TaskName, WorkloadKind
from benchmark.inputs.settings import GatedSettings
from benchmark.inputs.yaml_reader import Strict, explain, read_yaml
from benchmark.messages import printable

_RIGHT_OR_WRONG = ("exact_number", "exact_answer", "contained_answer")
"""Scorers that give 0 or 1."""
_SAID_BY_TASKS = ("split", "field", "template", "target", "stop")
"""Fields of a workload that a task of lm-eval leaves no choice about."""


class WorkloadSource(Strict):
    """Where the records of a workload are: a file that ships here, one in a package, or one on the hub.

    Or which task of lm-evaluation-harness makes its prompts.
    """

    file: InnerPath | None = None
    """JSONL, gzipped JSONL or Parquet; beside the YAML file, inside `package`, or inside the hub repository. Left out,
    the hub dataset is read by `config` and `split`."""
    package: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] | None = None
    """Installed Python distribution that carries the file. It is read as data and never imported."""
    id: HubId | None = None
    """Dataset id on the hub."""
    revision: Revision | None = None
    """Commit of the hub dataset; `main` when left out."""
    config: Annotated[str, Field(min_length=1)] | None = None
    """Configuration of a hub dataset that is read without `file`; its default one when left out."""
    split: Annotated[str, Field(min_length=1)] | None = None
    """Split of a hub dataset that is read without `file`."""
    lm_eval: TaskName | None = None
    """Task of lm-evaluation-harness that generates: few-shot examples, stop strings, filters and metrics are its."""
    include_path: InnerPath | None = None
    """Folder of task files of somebody's own, beside the YAML file; Python that a task of it names is run."""
    metric: Annotated[str, Field(min_length=1)] | None = None
    """Metric and filter that answers are scored by, as lm-eval prints them: `exact_match,flexible-extract`; the first
    of the task when left out."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.lm_eval is None and (self.include_path or self.metric):
            raise ValueError("'include_path' and 'metric' need 'lm_eval'")
        if self.lm_eval is not None:
            if any((self.file, self.package, self.id, self.revision, self.config, self.split)):
                raise ValueError("a task of lm_eval says itself where its data are; give nothing but 'lm_eval' then")
            return self
        if self.package and self.id:
            raise ValueError("give 'package' or 'id', not both")
        if self.revision and not self.id:
            raise ValueError("'revision' needs 'id'")
        by_name = self.config is not None or self.split is not None
        if self.file is None and (self.id is None or self.split is None):
            raise ValueError("give a 'file', or 'id' and 'split' of a hub dataset")
        if self.file is not None and by_name:
            raise ValueError("'config' and 'split' are for a hub dataset without 'file'")
        return self


class WorkloadEntry(Strict):
    """One workload file: which prompts, how they are put to the model, how much is generated."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$", max_length=60)]
    description: str
    source: WorkloadSource
    split: str | None = None
    """Name of the dataset's split, for the record."""
    field: str | None = None
    """The record's field that is the prompt, or give `template`; a `text` may do without."""
    template: str | None = None
    """`str.format` over the record's fields, such as `"Question: {question}"`."""
    continuation: Annotated[str, Field(min_length=1)] | None = None
    """The record's field that is the text behind the prompt, or its token ids, where `kind` is `text`."""
    kind: WorkloadKind
    """`chat` goes through the model's chat template when it has one; `completion` is fed as it stands; of a `masked`
    text some tokens are masked, for encoder models to fill in; a `text` is given with its `continuation`, of which the
    model writes nothing."""
    prompts: Annotated[int, Field(gt=0)]
    """How many prompts a full run takes, from the top of the file."""
    max_new_tokens: Annotated[int, Field(gt=0)]
    """Tokens generated for a prompt at most; of a `masked` text, the positions masked at most; of a `text`, the
    tokens of its continuation that are looked at."""
    target: Annotated[str, Field(min_length=1)] | None = None
    """The reference answers: a field of the record that is a text, a number, or a list of these; or a template, as for
    the prompt. `"{answers[text]}"`, which is one field and nothing else, may be such a list, too."""
    scorer: ScorerName | None = None
    """What an answer is held against its references with."""
    stop: list[Stop] = Field(default=[])
    """Strings that end an answer, as an end of text does."""
    licence: str

    _file: str = PrivateAttr(default="")

    @model_validator(mode="before")
    @classmethod
    def _scored_by_its_task(cls, fields: Any) -> Any:
        source = fields.get("source") if isinstance(fields, dict) else None
        of_task = isinstance(source, dict) and source.get("lm_eval") is not None
        return {"scorer": "lm_eval"} | fields if of_task else fields

    @model_validator(mode="after")
    def _task(self) -> Self:
        if (self.scorer == "lm_eval") != (self.source.lm_eval is not None):
            raise ValueError("the scorer 'lm_eval' is for a source of lm_eval, which has no other")
        if self.source.lm_eval is None:
            return self
        if given := [name for name in _SAID_BY_TASKS if getattr(self, name)]:
            raise ValueError(f"the task of lm_eval says that itself; leave '{given[0]}' away")
        if self.kind == "masked":
            raise ValueError("tasks of lm_eval are for models that write; the kind is 'chat' or 'completion'")
        return self

    @model_validator(mode="after")
    def _one_prompt(self) -> Self:
        if self.source.lm_eval is not None:
            return self
        if (self.kind == "text") != (self.continuation is not None):
            raise ValueError("the kind 'text' needs a 'continuation', and no other kind has one")
        if self.field is not None and self.template is not None:
            raise ValueError("give exactly one of 'field' and 'template'")
        if self.field is None and self.template is None and self.kind != "text":
            raise ValueError("give exactly one of 'field' and 'template'")
        return self

    @model_validator(mode="after")
    def _answers(self) -> Self:
        if (self.target is None) != (self.scorer in (None, "lm_eval")):
            raise ValueError("give 'target' and 'scorer' together, or neither of them")
        if self.kind in ("masked", "text") and (self.target or self.stop):
            raise ValueError(f"the kind '{self.kind}' has no answer; leave 'target', 'scorer' and 'stop' away")
        if self.scorer == "pass_at_1" and self.kind != "completion":
            raise ValueError("pass_at_1 runs prompt and answer as one program, which needs the kind 'completion'")
        return self

    @property
    def right_or_wrong(self) -> bool:
        """Whether an answer is scored as right or wrong, without code being run."""
        return self.scorer in _RIGHT_OR_WRONG

    @property
    def folder(self) -> Path:
        """Where its YAML file is, and data files beside it."""
        return Path(self._file).parent

    def where(self, field: str) -> str:
        """Address of a field for an error message, such as `chat.yaml: field`."""
        return f"{printable(self._file)}: {field}"


@dataclass(frozen=True)
class Cell:
    """A case of any model: a workload, and how tokens leave early in the study of decoding."""

    workload: WorkloadEntry
    gated: GatedSettings | None = None
    """None in the study of the oracle."""

    @property
    def title(self) -> str:
        """What a person reads of it."""
        return self.workload.name if self.gated is None else f"{self.workload.name} × {self.gated.title}"


def load_workload(path: Path) -> WorkloadEntry:
    """Read one workload file.

    Raises:
        InputError: with one line a problem, each naming the file and the field.
    """
    try:
        spec = WorkloadEntry.model_validate(read_yaml(path))
    except ValidationError as error:
        raise InputError("\n".join(explain(error, printable(path), WorkloadEntry))) from None
    if spec.name != path.stem:
        raise InputError(
            f"{printable(path)}: field 'name': is '{spec.name}' but the file is called '{printable(path.name)}'"
        )
    spec._file = str(path)
    return spec
