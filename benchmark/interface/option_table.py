"""The options of a measurement, as argparse and pytest declare them; both know them, and this needs neither."""

from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

from benchmark.inputs.packaged import LOCAL_RESULTS
from benchmark.inputs.settings import DEVICES, ENGINES, LEAST_ROUNDS, MAX_PENDING, POLICIES, CaptureSettings
from benchmark.interface.values import fraction, positive, sample, seed, shard, thresholds
from benchmark.metrics.scoring import ALPHA, TAU
from benchmark.trace.sample import SAMPLE, TOP_K, SignalsOf

DEFAULT_GATES = ("margin@0.95", "oracle")
"""Gates of the decoding study, unless asked otherwise: one that can be built, and what missing states alone cost."""
DEFAULT_POLICIES = ("recompute", "propagate")
"""Policies, likewise."""
DEFAULT_DECODED_WORKLOADS = ("question_answering", "translation")
"""Workloads of the decoding study, likewise: answers that are scored and short, so that all of it takes minutes."""
DEFAULT_TIMED_WORKLOAD = "humaneval"
"""Workload of the study of the clock, likewise."""
DEFAULT_TIMED_BATCHES = (1, 4, 16)
"""Texts that are written together there, a case each."""
OPTIONS: dict[str, dict[str, Any]] = {
    "--model-file": {
        "type": Path,
        "metavar": "FILE",
        "help": "models to measure (default: models.yaml of the current folder, else that of the package)",
    },
    "--model": {
        "action": "append",
        "default": [],
        "metavar": "NAME",
        "help": "only these models; exact name or glob, repeatable",
    },
    "--shard": {
        "type": shard,
        "metavar": "I/N",
        "help": "of these models only the I-th of N shares, of about the same work: for the tasks of a job array",
    },
    "--workload": {"action": "append", "default": [], "metavar": "NAME", "help": "only these workloads; likewise"},
    "--workload-file": {
        "action": "append",
        "default": [],
        "type": Path,
        "metavar": "FILE",
        "help": "a workload of your own; without --workload only such are measured; repeatable",
    },
    "--texts": {
        "type": Path,
        "metavar": "FILE",
        "help": "texts that another engine wrote behind the prompts of one workload, to be read in one pass instead of "
        "decoding: JSONL or Parquet with prompt, id or index, and text or token_ids; or the tokens beside a row",
    },
    "--study": {
        "choices": ("oracle", "decoding", "clock"),
        "help": "oracle: what could be gained; decoding: early exit for real, "
        f"unless --workload names others on {' and '.join(DEFAULT_DECODED_WORKLOADS)} (default: these two); clock: "
        f"what layers are worth in seconds, on {DEFAULT_TIMED_WORKLOAD} likewise, on an idle machine",
    },
    "--timed-batch": {
        "action": "append",
        "default": [],
        "type": positive,
        "metavar": "N",
        "help": "clock: texts that are written together; repeatable "
        f"(default: {', '.join(map(str, DEFAULT_TIMED_BATCHES))})",
    },
    "--rounds": {
        "type": positive,
        "default": LEAST_ROUNDS,
        "metavar": "N",
        "help": f"clock: how often each way is timed, in turns with the others (default {LEAST_ROUNDS})",
    },
    "--max-pending": {
        "type": positive,
        "default": MAX_PENDING,
        "metavar": "N",
        "help": "clock: tokens that may wait for deeper layers in deferred decoding before all layers run for them "
        f"(default {MAX_PENDING})",
    },
    "--gate": {
        "action": "append",
        "default": [],
        "metavar": "RULE",
        "help": "decoding, clock: a gate with a threshold, margin=0.8, or with a share of the tokens to keep, "
        f"margin@0.95; repeatable (default: {', '.join(DEFAULT_GATES)})",
    },
    "--policy": {
        "action": "append",
        "default": [],
        "choices": POLICIES,
        "help": "decoding: what deeper layers get of tokens that left; repeatable "
        f"(default: {', '.join(DEFAULT_POLICIES)})",
    },
    "--check-every": {
        "type": positive,
        "default": 1,
        "metavar": "N",
        "help": "decoding, clock: a gate looks at every N-th layer (default 1)",
    },
    "--min-exit-layer": {
        "type": positive,
        "default": 1,
        "metavar": "N",
        "help": "decoding, clock: the layer from which on a gate looks (default 1)",
    },
    "--limit": {
        "type": positive,
        "metavar": "N",
        "help": "first N prompts of each workload; rows are marked 'limited'",
    },
    "--max-new-tokens": {"type": positive, "metavar": "N", "help": "tokens a prompt (default: the workload's)"},
    "--batch-size": {
        "type": positive,
        "metavar": "N",
        "help": "prompts decoded together (default: the entry's, else 16)",
    },
    "--dtype": {
        "choices": ("float32", "bfloat16", "float16"),
        "help": "type of the weights (default: the entry's)",
    },
    "--device": {
        "choices": ("auto", *DEVICES),
        "default": "auto",
        "metavar": "NAME",
        "help": f"auto ({', '.join(DEVICES[1:])}: the one that torch sees, else cpu; default), or one by name",
    },
    "--results-dir": {
        "type": Path,
        "default": LOCAL_RESULTS,
        "metavar": "DIR",
        "help": f"where rows are written (default: {LOCAL_RESULTS})",
    },
    "--rerun": {
        "choices": ("all", "failed", "missing"),
        "help": "all: measure finished cases again; failed: only cases that failed before; missing: only cases never "
        "measured (default: whatever is not finished)",
    },
    "--download": {"action": "store_true", "help": "fetch models and datasets that are not on this machine"},
    "--trust-remote-code": {
        "action": "store_true",
        "help": "let entries with 'trust_remote_code: true' run their code",
    },
    "--allow-code-execution": {
        "action": "store_true",
        "help": "run answers that are code, shut away in a process of their own, to see whether they pass their tests",
    },
    "--alpha": {
        "type": fraction,
        "default": ALPHA,
        "help": f"weight of similarity against depth in EAS, 0 to 1 (default {ALPHA}); stored traces are scored anew",
    },
    "--top-k": {
        "type": positive,
        "default": TOP_K,
        "metavar": "K",
        "help": f"K of the top-K similarity (default {TOP_K})",
    },
    "--tau": {
        "type": thresholds,
        "default": TAU,
        "metavar": "T,T,...",
        "help": "thresholds of the tau-oracle, -1 to 1 each; stored traces are scored anew",
    },
    "--sample": {
        "type": sample,
        "default": SAMPLE,
        "metavar": "N|all",
        "help": "tokens of a case that are looked at with all their logits, for top-K, entropy, divergence, ranks, "
        f"chance and halves of layers (default {SAMPLE})",
    },
    "--signals": {
        "choices": get_args(SignalsOf),
        "default": "sample",
        "help": "tokens whose probabilities are kept at every layer, which gates need: those of --sample (default), or "
        "all; all takes half as long again",
    },
    "--engine": {
        "choices": ENGINES,
        "help": "oracle: generate watches every layer while the model decodes; two-phase lets it decode undisturbed "
        "and reads what it has written (default: two-phase for causal models on cuda, else generate)",
    },
    "--seed": {"type": seed, "default": 0, "help": "seed of the intervals, of the sample and of masking (default 0)"},
}
"""Each name with what `add_argument` and `addoption` take; ASCII, for any terminal may show the help of pytest."""


def capture_settings(asked: Any, device: str) -> CaptureSettings:
    """Return the settings that options ask for; those that a command does not have stay as they are by default.

    Args:
        asked: has the values of options under their names.
        device: that was chosen, as torch names its type.

    Raises:
        InputError: a value is outside of its range.
    """
    names = {field.name for field in fields(CaptureSettings)} - {"device"}
    given = {name: getattr(asked, name) for name in names if hasattr(asked, name)}
    return CaptureSettings(device=device, **given)
