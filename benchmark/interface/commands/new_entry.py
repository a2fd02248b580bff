"""A new model: the entry to paste into the model file, and whether the file is right."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub
import yaml
from huggingface_hub import errors
from huggingface_hub.utils import validate_repo_id
from pydantic import TypeAdapter, ValidationError

from benchmark.errors import InputError
from benchmark.inputs.fields import HubId
from benchmark.inputs.model_entry import ModelEntry, load_models
from benchmark.inputs.workload_entry import WorkloadEntry, load_workload
from benchmark.inputs.yaml_reader import read_yaml
from benchmark.messages import cut
from benchmark.models.hub import REQUEST_SECONDS

_STAGES = "base, continued, instruct, distilled or early-exit"
_INSTRUCT = re.compile(r"(?<![a-z])(instruct|chat|it|assistant)(?![a-z])", re.IGNORECASE)
_DISTILLED = re.compile(r"distil", re.IGNORECASE)
_BASE = re.compile(r"(?<![a-z])(base|pt)(?![a-z])", re.IGNORECASE)
_HUB_ID = TypeAdapter(HubId)


@dataclass(frozen=True)
class _Known:
    """What the hub says of a model; None where it says nothing that can be used."""

    parameters: int | None = None
    created: str | None = None
    """Day its repository was made."""
    base_model: str | None = None


def new_entry(model_id: str, entries: Sequence[ModelEntry]) -> list[str]:
    """Lines of YAML for a model of the hub, as they go to the end of the model file. Nothing is written.

    What the hub says is filled in, what only people know is left as a comment. Without the hub there are comments only.

    Args:
        model_id: `organization/name`.
        entries: of the model file, to name the family as they do.

    Raises:
        InputError: it is not a hub id, there is no such model, or the file has it already.
    """
    spec = _spec(model_id)
    for entry in entries:
        # The hub does not tell A from a.
        if ((entry.id or "").casefold(), entry.revision, entry.file) == (model_id.casefold(), None, None):
            raise InputError(f"{cut(model_id)} is in {entry._file or 'the model file'} already, as '{entry.name}'")
    known, remark = _ask_the_hub(model_id)
    lines = [f"  # {remark}"] if remark else []
    lines.append(f"  - id: {_quoted(model_id)}")
    taken = {entry.name.casefold() for entry in entries}
    if spec.name.casefold() in taken:
        longer = model_id.replace("/", "-")
        names = (longer, *(f"{longer}-{number}" for number in range(2, len(taken) + 2)))
        name = next(name for name in names if name.casefold() not in taken)
        lines.append(f"    name: {_quoted(name)}  # '{spec.name}' is another entry")
    return [*lines, *(f"    {line}" for line in _fields(spec.name, known, entries))]


def validate(path: Path) -> str:
    """Read a model file or a workload file; returns what is in it, in one line.

    Raises:
        InputError: with one line a problem, each naming the file, the entry and the field.
    """
    document = read_yaml(path)
    if isinstance(document, dict) and "models" not in document and document.keys() & WorkloadEntry.model_fields.keys():
        return f"{path}: the workload {load_workload(path).name}"
    models = load_models(path)
    return f"{path}: models {len(models)}"


def _spec(model_id: str) -> ModelEntry:
    try:
        validate_repo_id(model_id)
        return ModelEntry.model_validate({"id": model_id})
    except (errors.HFValidationError, ValidationError):
        raise InputError(
            f"{cut(model_id)} is not a hub id; it should look like organization/name, such as Qwen/Qwen3-0.6B"
        ) from None


def _fields(name: str, known: _Known, entries: Sequence[ModelEntry]) -> Iterator[str]:
    families = {entry.family for entry in entries if entry.family}
    # The longest, so that a line of models comes before the one it grew out of.
    fitting = sorted((family for family in families if name.casefold().startswith(family.casefold())), key=len)
    yield f"family: {_quoted(fitting[-1])}" if fitting else "# family: the line of models, such as Llama"
    if known.created:
        yield f'released: "{known.created}"  # when its repository was made; better: when it was published'
    else:
        yield "# released: YYYY-MM-DD or YYYY-MM"
    stage = "instruct" if _INSTRUCT.search(name) else "distilled" if _DISTILLED.search(name) else None
    if stage is None and known.base_model is None and _BASE.search(name):
        stage = "base"
    yield f"stage: {stage}  # by its name; one of {_STAGES}" if stage else f"# stage: {_STAGES}"
    yield (
        f"base_model: {_quoted(known.base_model)}"
        if known.base_model
        else "# base_model: what it was made from, if anything"
    )
    yield f"parameters: {known.parameters}" if known.parameters else "# parameters: the published number"


def _quoted(text: str) -> str:
    """A text as YAML reads it as that text; without quotes `1234` would be a number and `null` nothing."""
    try:
        if yaml.safe_load(text) == text:
            return text
    except yaml.YAMLError:
        pass
    return "'" + text.replace("'", "''") + "'"


def _ask_the_hub(model_id: str) -> tuple[_Known, str]:
    """What the hub knows, and a remark when it was not to be asked."""
    try:
        info = huggingface_hub.HfApi().model_info(model_id, timeout=REQUEST_SECONDS)
    except errors.RepositoryNotFoundError:
        raise InputError(f"no model {cut(model_id)} on the hub (or it is private and HF_TOKEN is not set)") from None
    except Exception as error:
        # Whatever the HTTP library calls it: no answer, an error there, offline mode.
        return _Known(), f"the hub cannot be reached ({type(error).__name__}); fill in what you know"
    return _Known(
        parameters=_whole(getattr(info.safetensors, "total", None)),
        created=info.created_at.date().isoformat() if info.created_at else None,
        base_model=_made_from(info.card_data, model_id),
    ), ""


def _whole(number: Any) -> int | None:
    return number if type(number) is int and number > 0 else None


def _made_from(card: Any, model_id: str) -> str | None:
    """The one model that the card names as the base of this one. Cards are written by anybody."""
    named = getattr(card, "base_model", None)
    named = named[0] if isinstance(named, list) and len(named) == 1 else named
    try:
        base = _HUB_ID.validate_python(named, strict=True)
    except ValidationError:
        return None
    return base if base != model_id else None
