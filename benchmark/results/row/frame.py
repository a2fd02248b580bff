"""The frame of a row: which case it is, what was asked for, what was run, what a token costs, how it came about."""

from typing import Annotated, Literal

from pydantic import Field

from benchmark.inputs.fields import Dtype, ScorerName, Stage, WorkloadKind
from benchmark.inputs.settings import EngineName, GateName, Policy
from benchmark.metrics.column_types import (
    Column,
    Columns,
    Count,
    ListOfOperations,
    Operations,
    Share,
    Size,
    Sizes,
)
from benchmark.trace.costs import Architecture
from benchmark.trace.sample import SignalsOf

SCHEMA_VERSION = 5

Seconds = Annotated[float | None, Column(low=0, high=1e9, unit="seconds")]


class Identity(Columns):
    """Which case it is."""

    schema_version: int = SCHEMA_VERSION
    """Version of this list of columns."""
    status: Literal["ok", "failed"]
    """Whether the case gave numbers."""
    error: str | None = None
    """Why it did not."""
    suite: str
    """Name of the study: `oracle`, `decoding` or `clock`."""
    experiments: list[str] = Field(default=[])
    """Experiments whose columns the row has: files of `suites/`, without `test_`."""
    model: str
    """Name of the entry in the model file."""
    workload: str
    """Name of the workload."""
    configuration: str
    """First 8 hex digits of the SHA-256 of all that says what was captured; part of the file's name."""
    source: str | None = None
    """Where the weights came from: `hub:id`, `hub:id/file`, `package:name==version` or `path:name`."""
    revision: str | None = None
    """What exactly they were: hub commit, `sha256:…` of a GGUF file, or `folder:…`, a fingerprint of a local folder."""
    checkpoint: str | None = None
    """Name of the training checkpoint, where the entry lists `revisions`."""
    training_step: Annotated[int | None, Column(low=0)] = None
    """Training step of the checkpoint."""
    family: str | None = None
    """Line of models, as the entry says."""
    released: str | None = None
    """Release date, as the entry says."""
    stage: Stage | None = None
    """Kind of training it ended with, as the entry says."""
    base_model: str | None = None
    """Hub id, or name in the results, of the model it was made from, as the entry says."""


class Setting(Columns):
    """What was asked for. All but `limited`, `alpha` and `tau` is hashed into `configuration`: it was captured."""

    dtype_asked: Dtype | None = None
    """Type of the weights that was asked for; `auto` is what the checkpoint was saved in."""
    quantization: str | None = None
    """Quantization while loading, as the entry says."""
    device: str | None = None
    """What the model ran on, as torch names it: `cpu`, `cuda`, …"""
    device_map: str | None = None
    """How the model was spread over devices, as the entry says; `stream` where each layer's weights were read when it
    ran."""
    parallel: Literal["tensor", "expert"] | None = None
    """How the model was spread over processes, as the entry says."""
    ranks: Annotated[int, Field(gt=1)] | None = None
    """Processes that it was spread over; null where it was in one. Seconds and bytes of memory are those of the
    first."""
    trust_remote_code: bool | None = None
    """Whether the repository's own code ran, as the entry says."""
    layer_stack: str | None = None
    """Module path of the layers, where the entry names one."""
    seam: str | None = None
    """Module path of the first module behind the layers, where the entry names one."""
    capture: Literal["decoded", "given"] = "decoded"
    """Whether the model wrote the texts itself or they were given; rows of given texts are not ranked."""
    texts_sha256: str | None = None
    """SHA-256 of the given texts, or of their token ids where these were given."""
    workload_kind: WorkloadKind | None = None
    """How prompts are put to the model."""
    prompts_sha256: str | None = None
    """SHA-256 of the prompts' texts and stop strings, to tell whether two rows saw the same."""
    stop: list[str] | None = None
    """Strings that end an answer, hashed with the prompts; null where there are none."""
    scorer: ScorerName | None = None
    """What answers are held against their references with; null where they are not scored."""
    targets_sha256: str | None = None
    """SHA-256 of the reference answers."""
    lm_eval_task: str | None = None
    """Task of lm-evaluation-harness that made the prompts and scored the answers, with its version, its number of
    examples, metric and filter; null where there is none. Such scores are only computed anew by measuring again."""
    limited: bool
    """Whether `--limit` took another number of prompts than a full run of the workload does."""
    chat_template_asked: bool | None = None
    """Whether the entry asks for the chat template or forbids it; null leaves it to the model."""
    max_new_tokens: Count = None
    """Tokens generated for a prompt at most."""
    batch_size_asked: Count = None
    """The most prompts that may be decoded together."""
    seed: Annotated[int, Column(low=0)]
    """Seed of the bootstrap draws, of the sample, and of which tokens of a text are masked."""
    top_k: Count = None
    """K of `similarity_topk`."""
    sample_asked: Annotated[int | None, Column(low=0)] = None
    """Tokens of the sample at most; null for all."""
    signals_asked: SignalsOf | None = None
    """Whose signals are kept, for gates: of the tokens of the sample, or of all."""
    engine_asked: EngineName | None = None
    """What was to decode: `generate`, with every layer watched, or `two-phase`, the same undisturbed, and what it wrote
    was read afterwards. Null where nothing is decoded, in a study of decoding, and in older rows, which are all of
    `generate`."""
    gate: GateName | None = None
    """By what tokens left early, in a study of decoding, or what deferred decoding was timed with, in one of the clock;
    null in one of the oracle, as are the five below."""
    threshold_asked: Annotated[float | None, Column(low=0)] = None
    """Threshold λ that was asked for; of `patience` a number of looks, of `static` a layer."""
    target_asked: Share = None
    """Share of the full model's tokens that the gate was to keep."""
    policy: Policy | None = None
    """What deeper layers got of tokens that left."""
    check_every: Count = None
    """Every how many layers the gate looked."""
    min_exit_layer: Count = None
    """The layer from which on it looked."""
    rounds_asked: Count = None
    """How often each way to write the texts was to be timed; null in other studies than that of the clock, as is the
    next."""
    max_pending: Count = None
    """Tokens that might wait in deferred decoding before all layers ran for all of them."""
    alpha: Annotated[float, Column(low=0, high=1)]
    """Weight of similarity against depth in EAS."""
    tau: Annotated[list[float] | None, Column(low=-1, high=1)] = None
    """Thresholds τ of the τ-oracle; its exit is the shallowest layer whose similarity to the last is at least τ."""


class Measured(Columns):
    """What was loaded, and what was run."""

    architecture: Architecture | None = None
    """Kind of model, read off it."""
    parameters: Count = None
    """Parameters of the loaded model; tied ones count once."""
    active_parameters: Count = None
    """Parameters that take part in one token."""
    num_layers: Count = None
    """L."""
    vocab_size: Count = None
    """Length of a logit vector."""
    dtype: str | None = None
    """Type that the weights were computed in."""
    stored_as: str | None = None
    """What most of the weights are stored in, such as `bfloat16`, `Q4_1` or `gptq 4bit`; null of a model in memory."""
    batch_size: Count = None
    """The most prompts that were decoded together."""
    prompts: Count = None
    """Prompts measured; in a study of decoding those that were decoded."""
    prompts_left_out: Annotated[int | None, Column(low=0)] = None
    """Prompts that have no tokens or, with `max_new_tokens`, do not fit the model's context; they were not measured."""
    prompt_ids_sha256: str | None = None
    """SHA-256 of the prompts' token ids, chat template included: what the model was really fed."""
    chat_template: bool | None = None
    """Whether prompts went through the model's chat template."""
    template_date: Annotated[str | None, Field(pattern=r"^\d{4}-\d\d-\d\d$")] = None
    """The date that the chat template was told is today, the same for all rows; null where it asks for none."""
    tokens: Count = None
    """Generated tokens, up to and including the first end of text of each prompt, or what completes a stop string; of
    given texts all, up to `max_new_tokens`."""
    sampled_tokens: Annotated[int | None, Column(low=0)] = None
    """Tokens of the fixed random sample: all of a small case. What takes the logits of the whole vocabulary is known of
    these: `similarity_topk`, `kl_nats`, `target_rank`, `margin`, and the exits between the halves of layers."""
    signal_tokens: Annotated[int | None, Column(low=0, high="tokens")] = None
    """Tokens whose signals are known: those of the sample, or all. Of these are `skip_ratio_chance`, `entropy_nats`,
    `max_prob` and `prob_margin`."""
    engine: EngineName | None = None
    """What decoded: `generate` also where two phases were asked for, and the tokens that the model wrote were not those
    that it says when it reads, or decoding does not use a cache. Null where `engine_asked` is."""
    with_cache: bool | None = None
    """Whether decoding used a cache, as `generate` does. Where that gives other exits than the model's own forward pass
    does, every token takes a pass over its whole text. Null of given texts, which use none, unless each
    token took such a pass."""
    reread_tokens: Annotated[int | None, Column(low=1, high="tokens")] = None
    """Tokens that were read a second time, each text alone and in one pass: of the shortest prompt of every batch, of
    the longest of all, and of those that pass a length at which the model may begin to work in another way. Where more
    than rounding lies between the two, prompts are run one by one, and if that does not help, without a cache. In the
    decoding study it is the beginnings of two texts, which are written a second time, alone and without a cache."""
    reread_differing: Annotated[int | None, Column(low=0, high="reread_tokens")] = None
    """How many of them had another token or another exit then."""
    score_errors: list[str] | None = None
    """Ids of the prompts whose answers count as wrong because the scorer failed on them; null where answers are not
    scored."""
    score_missing: str | None = None
    """Why answers are not scored although there is a scorer, in a sentence."""


class GatedMeasured(Columns):
    """What the decoding study ran, beside what was asked for."""

    threshold: Share = None
    """λ within 0 and 1 that decided: the one asked for, of `patience` over the number of looks, of `static` over that
    of layers; or the one that the calibration prompts chose; 1 of the oracle, which leaves where it is right."""
    calibration_prompts: Count = None
    """Prompts of even number, which chose the threshold and were not decoded; the oracle leaves them aside as well, so
    that both are told of the same prompts. Null where a threshold was given: then all were decoded."""
    calibration_agreement: Share = None
    """Share of the calibration prompts' tokens that the threshold keeps, on the full model's own text."""
    full_tokens: Count = None
    """Tokens of the full model's texts behind the same prompts."""
    gated_seconds: Seconds = None
    """Wall-clock time of decoding with early exits, looks and all; of no use as a speed."""
    full_seconds: Seconds = None
    """Wall-clock time of decoding the full model's texts."""


class ClockMeasured(Columns):
    """What the study of the clock could not time, and why."""

    alone_missing: str | None = None
    """Why texts of a batch were not timed leaving alone, in a sentence."""
    deferred_missing: str | None = None
    """Why deferred decoding was not timed."""
    drafted_missing: str | None = None
    """Why self-speculation was not timed."""


class Cost(Columns):
    """What a token costs, and what measuring did."""

    layer_kind: list[str] | None = None
    """Kind of the layer: `attention`, `recurrent`, both, `mlp`; with `+moe` if it has experts."""
    layer_bytes: Sizes = None
    """Parameter bytes the layer reads for one decoded token; of experts, the active ones."""
    layer_flops: ListOfOperations = None
    """2 × elements of the weight matrices among them."""
    layer_owed_bytes: Sizes = None
    """Parameter bytes the layer's cache needs even if the layer is skipped; null where that cannot be observed."""
    layer_owed_flops: ListOfOperations = None
    """2 × elements of the weight matrices among them."""
    layer_active_expert_bytes: Sizes = None
    """Of `layer_bytes`, those of the experts that the router chose for the token."""
    layer_expert_bytes: Sizes = None
    """Parameter bytes of all experts that the layer's router chooses among; 0 without a router."""
    head_bytes: Size = None
    """Parameter bytes read behind the layers for one decoded token: final norm, projections, output head."""
    head_flops: Operations = None
    """2 × elements of the weight matrices among them."""
    embedding_bytes: Size = None
    """Parameter bytes read before the layers; of a table, one row."""
    embedding_flops: Operations = None
    """2 × elements of the weight matrices among them."""
    generate_seconds: Seconds = None
    """Wall-clock time of decoding, without the readout."""
    oracle_seconds: Seconds = None
    """Wall-clock time of reading out every exit."""
    case_seconds: Seconds = None
    """Wall-clock time of the whole case, from the loaded model to the scored row; what a plan goes by."""
    load_seconds: Seconds = None
    """Wall-clock time of loading the model and proving its readout, which the cases of a process share; null of a model
    that was in memory already."""
    peak_memory_bytes: Annotated[int | None, Column(low=1, high=1e16, unit="bytes")] = None
    """Peak during the case: allocated on a GPU, resident in the process on a CPU."""


class Provenance(Columns):
    """How the row came about."""

    token_records_sha256: str | None = None
    """SHA-256 of the Parquet file beside this row."""
    started: str
    """Start of the case, UTC, ISO 8601."""
    harness_version: str
    """Version of ExitBench."""
    harness_commit: str | None = None
    """Its git commit; null outside a checkout."""
    harness_dirty: bool | None = None
    """Whether the checkout had uncommitted changes."""
    torch_version: str
    transformers_version: str
    lm_eval_version: str | None = None
    """Of lm-evaluation-harness, where it made the prompts."""
    python_version: str
    platform: str
    """Operating system and processor architecture."""
    accelerator: str
    """Name of the GPU, or of the processor."""
    driver: str | None = None
    """CUDA and driver version; null on a CPU."""
