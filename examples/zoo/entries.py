"""What `zoo.yaml` says: the text, the prompts, and an entry for each variant, with defaults on top."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, ValidationError, model_validator

from benchmark.errors import InputError
from benchmark.inputs.fields import Name
from benchmark.inputs.yaml_reader import Strict, explain, read_yaml
from benchmark.messages import printable, suggest

_SECTIONS = ["text", "workloads", "defaults", "models"]
Count = Annotated[int, Field(gt=0)]
Spec = TypeVar("Spec", bound=Strict)


class Text(Strict):
    """How much of the standard library is read, and in how many tokens it is said."""

    vocabulary: Annotated[int, Field(ge=300)]
    """Tokens of the byte-level BPE; 256 of them are the bytes."""
    files: Count | None = None
    """Only so many files, for a trial; all when left out."""


class Workloads(Strict):
    """The two workloads that are made of held-out text, and what the decoding study does on them."""

    prompts: Count
    max_new_tokens: Count
    gates: Annotated[list[Annotated[str, Field(pattern=r"^[a-z]")]], Field(min_length=1)]
    """As `--gate` takes them."""
    policies: Annotated[list[Literal["recompute", "propagate", "copy"]], Field(min_length=1)]


class ExitLoss(Strict):
    """LayerSkip's recipe (arXiv 2404.16710)."""

    scale: Annotated[float, Field(gt=0, le=1)]
    """e_scale: weight of the losses of earlier exits."""
    dropout: Annotated[float, Field(ge=0, lt=1)]
    """p_max: how often the last layer is dropped at the end of training."""
    rotation: Count
    """R: at each step every R-th layer has a loss, and the next ones at the next step."""


class Entry(Strict):
    """One variant. What it does not say, `defaults` says."""

    name: Name
    architecture: Literal["dense", "moe", "mamba2", "hybrid"]
    """Llama, Mixtral, Mamba-2, or GraniteMoeHybrid without experts: three layers of Mamba-2 to one of attention."""
    layers: Count
    width: Annotated[int, Field(gt=0, multiple_of=32)]
    """Size of the residual stream; heads have 32."""
    parameters: Annotated[int, Field(ge=1000)]
    """Parameters outside of embedding and head, met within 5 % by the width inside of layers."""
    counted: Literal["active", "total"] = "active"
    """Which parameters are counted, where a token meets only some experts."""
    tied: bool = True
    """Whether the head is the embedding."""
    exit_loss: ExitLoss | None = None

    context: Annotated[int, Field(ge=16)]
    """Tokens of a text."""
    batch: Count
    """Texts of a step."""
    steps: Count
    checkpoints: Count
    """How many are kept, each at twice the step of the one before."""
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    seeds: Annotated[list[Annotated[int, Field(ge=0, lt=2**31)]], Field(min_length=1)]
    tuned_from: Name | None = None
    """Another entry, whose final weights are tuned on instructions; size and architecture are its own."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.steps < 2 ** (self.checkpoints - 1):
            raise ValueError(f"{self.checkpoints} checkpoints need {2 ** (self.checkpoints - 1)} 'steps' or more")
        if self.exit_loss is not None and self.architecture != "dense":
            raise ValueError("'exit_loss' is for the architecture 'dense' only; leave it out")
        if self.exit_loss is not None and self.layers < 2:
            raise ValueError("'exit_loss' needs two 'layers' or more")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("'seeds' names one twice; each is a model of its own")
        return self

    @property
    def saved_at(self) -> list[int]:
        """The steps at which a checkpoint is kept, log-spaced up to the last."""
        return [self.steps >> halvings for halvings in reversed(range(self.checkpoints))]


@dataclass(frozen=True)
class Model:
    """One model that is trained: an entry with one of its seeds."""

    entry: Entry
    seed: int
    base: "Model | None" = None
    """The one that it is tuned from."""

    @property
    def name(self) -> str:
        """The entry's name with the seed behind it."""
        return f"{self.entry.name}-s{self.seed}"


@dataclass(frozen=True)
class Zoo:
    """All that a file says."""

    text: Text
    workloads: Workloads
    models: list[Model]
    """A tuned one stands behind the one that it is tuned from."""


def read_zoo(path: Path) -> Zoo:
    """Return what a YAML file lists.

    Raises:
        InputError: with one line a problem, each naming the file, the entry, the field and what to do.
    """
    document, file = read_yaml(path), printable(path)
    if not isinstance(document, dict):
        raise InputError(f"{file}: expected the sections {', '.join(_SECTIONS)}")
    for section in document:
        if section not in _SECTIONS:
            raise InputError(f"{file}: field '{printable(section)}': unknown field{suggest(str(section), _SECTIONS)}")
    if missing := [section for section in _SECTIONS if section not in document]:
        raise InputError(f"{file}: field '{missing[0]}': is missing; the shipped zoo.yaml shows what belongs in it")
    text = _read(Text, document["text"], f"{file}: text")
    workloads = _read(Workloads, document["workloads"], f"{file}: workloads")
    return Zoo(text, workloads, _models(_entries(document["defaults"], document["models"], file), file))


def _read(spec: type[Spec], data: Any, label: str) -> Spec:
    try:
        return spec.model_validate(data)
    except ValidationError as error:
        raise InputError("\n".join(explain(error, label, spec))) from None


def _entries(defaults: Any, entries: Any, file: str) -> list[Entry]:
    _refuse_bad_defaults(defaults, file)
    if not isinstance(entries, list) or not entries:
        raise InputError(f"{file}: field 'models': expected a list with at least one entry")
    read, problems = [], []
    for number, entry in enumerate(entries, start=1):
        label = f"{file}: entry {number}"
        if isinstance(entry, dict) and isinstance(entry.get("name"), str) and entry["name"].isprintable():
            label += f" ({entry['name']})"
        try:
            read.append(Entry.model_validate({**defaults, **entry} if isinstance(entry, dict) else entry))
        except ValidationError as error:
            problems += explain(error, label, Entry)
    if problems:
        raise InputError("\n".join(problems))
    return read


def _refuse_bad_defaults(defaults: Any, file: str) -> None:
    """Tell what is wrong with the defaults once, and not again for each entry; what they leave out, entries may say."""
    if not isinstance(defaults, dict):
        raise InputError(f"{file}: field 'defaults': expected fields, each with a value")
    if alone := {"name", "tuned_from"} & defaults.keys():
        raise InputError(f"{file}: defaults: field '{min(alone)}': belongs to an entry; move it there")
    try:
        Entry.model_validate({"name": "defaults", **defaults})
    except ValidationError as error:
        lines = explain(error, f"{file}: defaults", Entry)
        wrong = [line for line, problem in zip(lines, error.errors(), strict=True) if problem["type"] != "missing"]
        if wrong:
            raise InputError("\n".join(wrong)) from None


def _models(entries: list[Entry], file: str) -> list[Model]:
    by_name: dict[str, Entry] = {}
    models: list[Model] = []
    for number, entry in enumerate(entries, start=1):
        label = f"{file}: entry {number} ({entry.name})"
        base = None
        if entry.tuned_from is not None:
            base = by_name.get(entry.tuned_from)
            if base is None or base.tuned_from is not None:
                raise InputError(
                    f"{label}: field 'tuned_from': '{entry.tuned_from}' is no trained entry above this one; name one"
                )
            if missing := sorted({*entry.seeds} - {*base.seeds}):
                raise InputError(f"{label}: field 'seeds': '{base.name}' has no seed {missing[0]}; train it there, too")
            shape = ("architecture", "layers", "width", "parameters", "counted", "tied")
            entry = entry.model_copy(update={field: getattr(base, field) for field in shape})
        for seed in entry.seeds:
            model = Model(entry, seed, None if base is None else Model(base, seed))
            # Models live in folders of these names, and some file systems do not tell A from a.
            if model.name.casefold() in {other.name.casefold() for other in models}:
                raise InputError(f"{label}: field 'name': '{model.name}' is there twice; give another name")
            models.append(model)
        by_name[entry.name] = entry
    return models
