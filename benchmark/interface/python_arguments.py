"""What a person names or gives in Python: an entry for any model, a workload for any texts."""

import os
import re
from collections.abc import Sequence
from operator import index
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from benchmark.errors import InputError
from benchmark.inputs.catalog import load_workloads
from benchmark.inputs.data.texts import continuation
from benchmark.inputs.fields import at_home
from benchmark.inputs.model_entry import ModelEntry, load_models
from benchmark.inputs.packaged import model_file as usual_model_file
from benchmark.inputs.prompt import Continuation
from benchmark.inputs.selection import select
from benchmark.inputs.workload_entry import WorkloadEntry, WorkloadSource, load_workload
from benchmark.inputs.yaml_reader import explain
from benchmark.readout.loaded_model import LoadedModel

MAX_NEW_TOKENS = 64
"""Tokens generated for a prompt of the caller's own, unless asked otherwise; most workloads have the same."""


def entry_of(name: str | Path, model_file: str | Path | None, custom_code: bool) -> ModelEntry:
    """Return the entry of the model file that is meant, or one made up for a folder, a GGUF file or a hub id.

    Raises:
        InputError: there is none.
    """
    file = usual_model_file(None if model_file is None else Path(model_file))
    specs = load_models(file)
    found = [spec for spec in specs if spec.name == name] or [spec for spec in specs if spec.id == name]
    if not found and (_is_path(name) or re.fullmatch(r"[\w.-]+/[\w.-]+", str(name))):
        return _of_no_file(name, custom_code)
    place = f"{file}, and is not a file, folder or hub id (organization/name)"
    found = found or select(specs, [str(name)], "load:", place)
    if len(found) > 1:
        names = ", ".join(spec.name for spec in found)
        raise InputError(f"load: '{name}' is several entries of {file}; give the name of one: {names}")
    return found[0]


def _is_path(name: str | Path) -> bool:
    text = str(name)
    return isinstance(name, Path) or text.startswith((".", "/", "~")) or text.endswith(".gguf") or os.path.exists(text)  # noqa: PTH110 - Path.exists raises for a name too long


def _of_no_file(name: str | Path, custom_code: bool) -> ModelEntry:
    """An entry for what no model file lists."""
    if not _is_path(name):
        return made_up(None, {"id": name, "trust_remote_code": custom_code})
    path = at_home(str(name)).absolute()
    return made_up(path.name.removesuffix(".gguf"), {"path": str(path), "trust_remote_code": custom_code})


def made_up(title: str | None, fields: dict[str, Any]) -> ModelEntry:
    """Return an entry with these fields. A folder may be called what an entry may not.

    Raises:
        InputError: a field is wrong.
    """
    if title is not None:
        fields["name"] = re.sub(r"[^A-Za-z0-9._+@-]+", "-", title).lstrip("._+@-")[:100] or "model"
    try:
        entry = ModelEntry.model_validate(fields)
    except ValidationError as error:
        raise InputError("\n".join(explain(error, "load", ModelEntry))) from None
    entry._file = "load"
    return entry


def workload_of_texts(texts: Sequence[str], loaded: LoadedModel, chat: bool) -> WorkloadEntry:
    """Return a workload of texts that are given."""
    written: Literal["chat", "completion"] = "chat" if chat else "completion"
    return WorkloadEntry(
        name="texts",
        description="texts given in Python",
        source=WorkloadSource(file="texts.jsonl"),
        field="text",
        kind="masked" if loaded.task == "masked" else written,
        prompts=len(texts),
        max_new_tokens=MAX_NEW_TOKENS,
        licence="of whoever gave them",
    )


def workload_of(name: str | Path) -> WorkloadEntry:
    """Return the workload of a name or of a file.

    Raises:
        InputError: there is none of that name, or the file cannot be read.
    """
    if isinstance(name, Path) or name.endswith((".yaml", ".yml")):
        return load_workload(Path(name))
    workloads = {workload.name: workload for workload in load_workloads()}
    if name not in workloads:
        names = ", ".join(workloads)
        raise InputError(f"trace: no workload is called '{name}'; there are: {names}; texts go in a list")
    return workloads[name]


def continuation_of(text: str | Sequence[int], number: int) -> Continuation:
    """Return a text that is given as letters or as token ids; `number` is its place among the texts.

    Raises:
        InputError: it is neither, or empty.
    """
    try:
        return continuation(text, None) if isinstance(text, str) else continuation(None, [*map(index, text)])
    except (TypeError, ValueError) as error:
        raise InputError(f"trace_given: text {number}: {error}") from None


def texts_of(prompts: Sequence[str], where: str = "trace") -> list[str]:
    """Return prompts as a list; `where` names the call that an error is told of.

    Raises:
        InputError: they are no list of texts, or one is empty.
    """
    texts = list(prompts)
    if isinstance(prompts, str) or not texts or not all(isinstance(text, str) and text for text in texts):
        other = "the name of a workload, or a list" if where == "trace" else "None, or a list"
        raise InputError(f"{where}: prompts must be {other} of texts none of which is empty")
    return texts


def refuse_other(known: Sequence[str], **given: str) -> None:
    """Make sure that each argument has one of the known values.

    Raises:
        InputError: one has another.
    """
    for name, value in given.items():
        if value not in known:
            raise InputError(f"{name}: must be one of {', '.join(known)}, not {value!r}")
