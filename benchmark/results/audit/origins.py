"""Where a row says that it comes from, held against the workloads and the model file."""

from collections.abc import Iterator, Mapping
from pathlib import PurePath

from benchmark.errors import CannotRun, InputError
from benchmark.inputs.data.records import DataFiles
from benchmark.inputs.model_entry import ModelEntry
from benchmark.inputs.prompt import prompts_sha256, targets_sha256, texts_sha256
from benchmark.inputs.prompts import read_prompts
from benchmark.inputs.settings import timed_prompts
from benchmark.inputs.workload_entry import WorkloadEntry
from benchmark.results.audit.fault import Fault, told
from benchmark.results.row import Row

_TYPED_IN = ("family", "released", "stage", "base_model", "quantization", "checkpoint", "training_step")
"""Columns that are as the entry says."""
_MOST_PROMPTS = 2**31
"""More than any workload has; Python cannot count to just any number."""
_PUBLISHED_FACTOR = 2
"""How far loaded parameters may be from published ones: parts for images are left away, tied weights counted once."""


def other_origins(
    row: Row, models: Mapping[str, ModelEntry] | None, workloads: Mapping[str, WorkloadEntry], files: DataFiles
) -> list[Fault]:
    """What a row says of its workload and its model, and they do not.

    Args:
        row: as it was read.
        models: entries of the model file, by name; None if there is no such file to hold the row against.
        workloads: those there are, by name.
        files: where their data are, as far as they are on this machine.
    """
    return [*_workload(row, workloads, files), *(_entry(row, models) if models is not None else ())]


def taken_of(row: Row) -> int:
    """Return how many prompts a row says were taken: those measured, left out, and set aside to choose a threshold.

    On the clock those that choose a threshold are measured as well.
    """
    aside = 0 if row.suite == "clock" else row.calibration_prompts or 0
    return (row.prompts or 0) + (row.prompts_left_out or 0) + aside


def _workload(row: Row, workloads: Mapping[str, WorkloadEntry], files: DataFiles) -> Iterator[Fault]:
    spec = workloads.get(row.workload)
    if spec is None:
        yield Fault("workload", f"there is no workload {told(row.workload)}; add its file to the project first")
        return
    if (spec.kind == "masked") != (row.architecture == "encoder") and row.architecture is not None:
        yield Fault("workload", f"{row.workload} is of the kind '{spec.kind}', and the model is {row.architecture}")
    if row.chat_template and spec.kind != "chat":
        yield Fault("chat_template", f"{row.workload} is of the kind '{spec.kind}', which has no chat template")
    if row.status == "ok" and row.max_new_tokens != spec.max_new_tokens:
        asked = f"and a full run of {row.workload} has {spec.max_new_tokens}; measure without --max-new-tokens"
        yield Fault("max_new_tokens", f"is {told(row.max_new_tokens)}, {asked}")
    listed_stop = row.stop if spec.source.lm_eval else spec.stop or None
    scorer = None if row.capture == "given" or row.suite == "clock" else spec.scorer
    for column, stated, listed in (("scorer", row.scorer, scorer), ("stop", row.stop, listed_stop)):
        if row.status == "ok" and stated != listed:
            yield Fault(column, f"is {told(stated)}, and {told(listed)} in the file of {row.workload}")
    task = (row.lm_eval_task or "").partition(" ")[0] or None
    if row.status == "ok" and task != spec.source.lm_eval:
        of_file = told(spec.source.lm_eval)
        yield Fault("lm_eval_task", f"is {told(row.lm_eval_task)}, and {of_file} in the file of {row.workload}")
    taken = taken_of(row)
    if taken < 1:  # it failed before they were read, or somebody wrote a number that cannot be
        return
    full = spec.prompts if row.suite != "clock" else timed_prompts(spec.prompts, row.batch_size_asked or 1)
    if (taken != full) != row.limited:
        yield Fault("limited", f"is {str(row.limited).lower()}, but {taken} prompts were taken of {full}")
        return
    if spec.source.lm_eval is not None:
        return  # tasks are programs, and a check runs none of somebody's own
    try:
        prompts = read_prompts(spec, min(taken, _MOST_PROMPTS), files)
    except (CannotRun, InputError):
        return  # without the data nothing can be said
    if prompts_sha256(prompts) != row.prompts_sha256:
        yield Fault("prompts_sha256", f"these are not the first {taken} prompts of {row.workload}")
    if spec.kind == "text" and texts_sha256(prompts) != row.texts_sha256:
        yield Fault("texts_sha256", f"these are not the first {taken} texts of {row.workload}")
    if row.capture == "decoded" and row.suite != "clock" and targets_sha256(prompts) != row.targets_sha256:
        yield Fault("targets_sha256", f"these are not the references of the first {taken} prompts of {row.workload}")


def _entry(row: Row, models: Mapping[str, ModelEntry]) -> Iterator[Fault]:
    spec = models.get(row.model)
    if spec is None:
        yield Fault("model", "has no entry in the model file; add it, or name its file with --model-file")
        return
    if row.source is not None and not _comes_from(spec, row.source):
        yield Fault("source", f"is {told(row.source)}, which is not what the model file says of {row.model}")
    for column in _TYPED_IN:
        if getattr(row, column) != getattr(spec, column):
            stated, listed = told(getattr(row, column)), told(getattr(spec, column))
            yield Fault(column, f"is {stated}, and {listed} in the model file")
    if spec.parameters and row.parameters:
        factor = row.parameters / spec.parameters
        if not 1 / _PUBLISHED_FACTOR <= factor <= _PUBLISHED_FACTOR:
            yield Fault("parameters", f"is {row.parameters:,}, and {spec.parameters:,} in the model file")


def _comes_from(spec: ModelEntry, source: str) -> bool:
    """Whether a source is that of an entry, whatever the version of its package or the folder it lies in."""
    if spec.id is not None:
        return source == (f"hub:{spec.id}/{spec.file}" if spec.file else f"hub:{spec.id}")
    if spec.path is not None and spec.path.lower().endswith(".gguf"):
        return source == f"path:{PurePath(spec.path).name}"
    package = spec.pieces[0].package if spec.pieces else spec.package
    return source.startswith(f"package:{package}==" if package else "path:")
