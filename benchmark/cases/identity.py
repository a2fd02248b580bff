"""From a job to what is asked of a model, and to the columns that are known before any weights are read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from benchmark import ranks
from benchmark.cases.provenance import provenance
from benchmark.cases.resources import Resources
from benchmark.errors import CannotRun, InputError
from benchmark.inputs.data.lm_eval_library import library_version
from benchmark.inputs.data.lm_eval_tasks import GeneratingTask
from benchmark.inputs.data.texts import refuse_texts, with_texts
from benchmark.inputs.fields import ScorerName
from benchmark.inputs.model_entry import ModelEntry
from benchmark.inputs.prompt import Prompt, prompts_sha256, targets_sha256, texts_sha256
from benchmark.inputs.settings import (
    DEFAULT_BATCH_SIZE,
    CaptureSettings,
    ClockSettings,
    EngineName,
    GatedSettings,
    timed_prompts,
)
from benchmark.inputs.workload_entry import WorkloadEntry
from benchmark.models.locate import Machine
from benchmark.results.identity import configuration_of
from benchmark.trace.costs import Task
from benchmark.trace.sample import Sampling


@dataclass(frozen=True)
class Asked:
    """What is asked of a model: the job with every choice made that entry, workload or settings leave open."""

    prompts: tuple[Prompt, ...]
    chat: bool
    """Whether prompts go through the model's chat template, if it has one."""
    max_new_tokens: int
    batch_size: int
    sampling: Sampling
    scorer: ScorerName | None = None
    """What answers are scored with; None where they are not."""
    allow_code_execution: bool = False
    """Whether answers that are code may be run."""
    gated: GatedSettings | None = None
    """How tokens leave early; None in a study of what they could."""
    clock: ClockSettings | None = None
    """What is timed; None in other studies."""
    task: GeneratingTask | None = None
    """The task of lm-eval that the prompts are of, which scores their answers."""
    engine: EngineName | None = None
    """What decodes in a study of the oracle; None where nothing is decoded, and in other studies."""

    @property
    def given(self) -> bool:
        """Whether the texts behind the prompts are given, so that the model writes none."""
        return any(prompt.given for prompt in self.prompts)


def machine_of(settings: CaptureSettings) -> Machine:
    """Return what the requirements of a model are held against."""
    return Machine(torch.device(settings.device), settings.dtype, settings.trust_remote_code)


def asked_of(
    entry: ModelEntry,
    workload: WorkloadEntry,
    capture: CaptureSettings,
    given: tuple[Prompt, ...] | None,
    resources: Resources,
    gated: GatedSettings | None = None,
    clock: ClockSettings | None = None,
) -> Asked:
    """Return what a job asks of its model.

    Args:
        entry: of the model.
        workload: whose prompts are read, unless some are given.
        capture: settings of what is captured.
        given: prompts that are given; None to read the workload's.
        resources: reads prompts.
        gated: how tokens leave early, if they are to.
        clock: what is timed, if anything is.

    Raises:
        CannotRun: model or workload are not on this machine, or the engine is not for them.
        InputError: they cannot be read.
    """
    count = capture.limit or full_run(workload, clock)
    task = resources.task(workload, count)
    prompts = given if given is not None else _prompts(workload, capture, resources, count)
    if gated or clock or not any(prompt.given for prompt in prompts):
        refuse_streamed(entry)
    if task is not None and [one.model_copy(update={"given": None}) for one in prompts] != list(task.prompts):
        raise InputError(f"job: prompts: are not those of the task {task.place.name}, which scores no others")
    return Asked(
        prompts=tuple(prompts),
        chat=workload.kind == "chat" and entry.chat_template is not False,
        max_new_tokens=capture.max_new_tokens or workload.max_new_tokens,
        batch_size=clock.batch_size if clock else capture.batch_size or entry.batch_size or DEFAULT_BATCH_SIZE,
        sampling=Sampling(capture.sample, capture.top_k, capture.seed, capture.signals),
        scorer=workload.scorer if clock is None and any(_graded(prompt) for prompt in prompts) else None,
        allow_code_execution=capture.allow_code_execution,
        gated=clock.gate if clock else gated,
        clock=clock,
        task=task,
        engine=None if gated or clock else _engine(entry, capture, prompts, resources),
    )


def _graded(prompt: Prompt) -> bool:
    return bool(prompt.targets) and not prompt.given


def full_run(workload: WorkloadEntry, clock: ClockSettings | None) -> int:
    """Return how many prompts a full run takes of a workload."""
    return workload.prompts if clock is None else timed_prompts(workload.prompts, clock.batch_size)


def _engine(
    entry: ModelEntry, capture: CaptureSettings, prompts: Sequence[Prompt], resources: Resources
) -> EngineName | None:
    """Return what decodes: what was asked for, or two phases on CUDA, where steps are compiled; None where nothing is.

    Raises:
        CannotRun: the model is not to be had, or two phases are asked for, and it writes no text or the text is given.
    """
    task = resources.source(entry, machine_of(capture)).task
    if task == "masked" or any(prompt.given for prompt in prompts):
        if capture.engine == "two-phase":
            raise CannotRun(
                "two phases are for texts that the model writes, not for masked tokens or given texts",
                "leave the engine out",
                entry.name,
                "engine",
            )
        return None
    return capture.engine or ("two-phase" if task == "causal" and capture.device == "cuda" else "generate")


def _prompts(workload: WorkloadEntry, capture: CaptureSettings, resources: Resources, count: int) -> Sequence[Prompt]:
    """Return the prompts that are taken of a workload, with the texts behind them if a file has such."""
    if capture.texts is None:
        return resources.prompts(workload, count)
    refuse_texts(workload)
    # A text may be of a prompt that is not taken.
    prompts = resources.prompts(workload, max(count, workload.prompts))
    return with_texts(prompts, resources.texts(capture.texts), count, str(capture.texts))


def frame_columns(
    study: str,
    entry: ModelEntry,
    workload: WorkloadEntry,
    capture: CaptureSettings,
    asked: Asked,
    resources: Resources,
) -> dict[str, Any]:
    """Return the columns of a row that are known before the model is loaded, `configuration` among them.

    Raises:
        CannotRun, InputError: the model is not to be had, or the workload is for another kind of model.
    """
    machine = machine_of(capture)
    source = resources.source(entry, machine)
    refuse_misfit(entry.name, source.task, workload)
    columns = {
        "suite": study,
        "model": entry.name,
        "workload": workload.name,
        "source": source.label,
        "revision": source.revision,
        "checkpoint": entry.checkpoint,
        "training_step": entry.training_step,
        "family": entry.family,
        "released": entry.released,
        "stage": entry.stage,
        "base_model": entry.base_model,
        "dtype_asked": capture.dtype or entry.dtype,
        "quantization": entry.quantization,
        "device": capture.device,
        "device_map": entry.device_map,
        "parallel": entry.parallel,
        "ranks": ranks.ranks() if entry.parallel else None,
        "trust_remote_code": entry.trust_remote_code,
        "layer_stack": entry.layer_stack,
        "seam": entry.seam,
        "prompts_sha256": prompts_sha256(asked.prompts),
        "stop": list(dict.fromkeys(stop for prompt in asked.prompts for stop in prompt.stop)) or None,
        "scorer": asked.scorer,
        "targets_sha256": targets_sha256(asked.prompts) if asked.scorer else None,
        "lm_eval_task": asked.task.title if asked.task else None,
        "lm_eval_version": library_version() if asked.task else None,
        "capture": "given" if asked.given else "decoded",
        "texts_sha256": texts_sha256(asked.prompts),
        "workload_kind": workload.kind,
        "chat_template_asked": entry.chat_template,
        "max_new_tokens": asked.max_new_tokens,
        "batch_size_asked": asked.batch_size,
        "seed": capture.seed,
        **_of_study(capture, asked),
        "limited": capture.limit is not None and capture.limit != full_run(workload, asked.clock),
        **provenance(machine.device),
    }
    return columns | {"configuration": configuration_of(columns)}


def _of_study(capture: CaptureSettings, asked: Asked) -> dict[str, Any]:
    """Return the settings that one study has and others have not."""
    gated, clock = asked.gated, asked.clock
    if gated is None and clock is None:
        return {
            "top_k": capture.top_k,
            "sample_asked": capture.sample,
            "signals_asked": capture.signals,
            "engine_asked": asked.engine,
        }
    timed = {} if clock is None else {"rounds_asked": clock.rounds, "max_pending": clock.max_pending}
    if gated is None:
        return timed
    return timed | {
        "gate": gated.gate,
        "threshold_asked": gated.threshold,
        "target_asked": gated.target,
        "policy": gated.policy,
        "check_every": gated.check_every,
        "min_exit_layer": gated.min_exit_layer,
    }


def refuse_streamed(entry: ModelEntry) -> None:
    """Let a model whose weights are streamed have texts that are given only.

    Raises:
        CannotRun: it is such a model; each token that it decoded would read all of its weights.
    """
    if entry.streamed:
        raise CannotRun(
            "its weights are streamed, so it reads texts and decodes none",
            "give texts or a workload of the kind 'text', or remove 'device_map: stream'",
            entry.name,
            "texts",
        )


def refuse_misfit(model: str, task: Task, workload: WorkloadEntry) -> None:
    """Let encoders have masked texts only, and models that write have prompts only.

    Raises:
        CannotRun: the workload is of the other kind.
    """
    if (task == "masked") != (workload.kind == "masked"):
        raise CannotRun(
            "masked tokens are for encoder models, prompts for models that write",
            "choose another workload",
            f"{model} on {workload.name}",
        )
