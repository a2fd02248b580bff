"""The row: every column of the results, its unit and its meaning. One case, one row.

L is the number of layers; layers and exits count from 1 to L. A column that is null was not measured.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

SCHEMA_VERSION = 2


class Row(BaseModel):
    """One measured (model, workload, suite, setting), flat."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=(), allow_inf_nan=False)

    schema_version: int = SCHEMA_VERSION
    """Version of this list of columns."""
    status: Literal["ok", "failed"]
    """Whether the case gave numbers."""
    error: str | None = None
    """Why it did not."""

    # Identity
    suite: str
    """Name of the study, `oracle`: what was captured while decoding."""
    experiments: list[str] = []
    """Experiments whose columns the row has: files of `suites/`, without `test_`."""
    model: str
    """Name of the entry in the model file."""
    workload: str
    """Name of the workload."""
    configuration: str
    """First 8 hex digits of the SHA-256 of everything that was asked for; part of the file's name."""
    source: str | None = None
    """Where the weights came from: `hub:id`, `package:name==version` or `path:name`."""
    revision: str | None = None
    """What exactly they were: hub commit, `sha256:…` of a GGUF file, or `folder:…`, a fingerprint of a local folder."""
    checkpoint: str | None = None
    """Name of the training checkpoint, where the entry lists `revisions`."""
    training_step: int | None = None
    """Training step of the checkpoint."""
    family: str | None = None
    """Line of models, as the entry says."""
    released: str | None = None
    """Release date, as the entry says."""
    architecture: Literal["dense", "moe", "ssm", "hybrid", "encoder-decoder", "encoder"] | None = None
    """Kind of model, read off it."""
    stage: Literal["base", "continued", "instruct", "distilled", "early-exit"] | None = None
    """Kind of training it ended with, as the entry says."""
    base_model: str | None = None
    """Hub id of the model it was made from, as the entry says."""
    parameters: int | None = None
    """Parameters of the loaded model; tied ones count once."""
    active_parameters: int | None = None
    """Parameters that take part in one token."""
    num_layers: int | None = None
    """L."""
    vocab_size: int | None = None
    """Length of a logit vector."""

    # Setting
    dtype: str | None = None
    """Type of the weights."""
    quantization: str | None = None
    """Quantization while loading, as the entry says."""
    device: str | None = None
    """`cuda` or `cpu`."""
    batch_size: int | None = None
    """The most prompts that were decoded together."""
    max_new_tokens: int | None = None
    """Tokens generated for a prompt at most."""
    prompts: int | None = None
    """Prompts measured."""
    prompts_left_out: int | None = None
    """Prompts that have no tokens or, with `max_new_tokens`, do not fit the model's context; they were not measured."""
    prompts_sha256: str | None = None
    """SHA-256 of the prompts' texts, to tell whether two rows saw the same."""
    prompt_ids_sha256: str | None = None
    """SHA-256 of the prompts' token ids, chat template included: what the model was really fed."""
    tokens: int | None = None
    """Generated tokens, up to and including the first end of text of each prompt."""
    limited: bool
    """Whether `--limit` took another number of prompts than a full run of the workload does."""
    chat_template: bool | None = None
    """Whether prompts went through the model's chat template."""
    alpha: float
    """Weight of similarity against depth in EAS."""
    seed: int
    """Seed of the bootstrap draws, of the sample, and of which tokens of a text are masked."""
    top_k: int | None = None
    """K of `similarity_topk`."""
    sampled_tokens: int | None = None
    """Tokens of the fixed random sample: all of a small case. What takes the logits of the whole vocabulary is known of
    these: `similarity_topk`, `entropy_nats`, `kl_nats`, `target_rank`, `margin`, `skip_ratio_chance`, and the
    exits between the halves of layers."""

    # Result
    exit_layer_mean: float | None = None
    """Mean first-match exit: the shallowest layer with the full model's token."""
    exit_layer_settled_mean: float | None = None
    """Mean settled exit: the shallowest layer from which on every layer has the full model's token."""
    skip_ratio: float | None = None
    """Mean of (L − ℓ)/L over all tokens, ℓ the first-match exit."""
    skip_ratio_ci_low: float | None = None
    """Lower end of the 95 % bootstrap interval of `skip_ratio`, over prompts; null with one prompt."""
    skip_ratio_ci_high: float | None = None
    """Upper end of the same."""
    skip_ratio_settled: float | None = None
    """Mean of (L − ℓ)/L, ℓ the settled exit."""
    skip_ratio_settled_ci_low: float | None = None
    """Lower end of its interval."""
    skip_ratio_settled_ci_high: float | None = None
    """Upper end of its interval."""
    interval_missing: str | None = None
    """Why there are no intervals, in a sentence; null where there are."""
    skip_ratio_chance: float | None = None
    """`skip_ratio` expected when the full model's tokens are shuffled across the positions of the case: the mean over
    all shuffles, at the positions of the sample."""
    hesitation_layers_mean: float | None = None
    """Mean of settled − first-match exit, in layers."""
    contradicted_share: float | None = None
    """Share of tokens whose first match is later contradicted: some deeper layer gives another token."""
    eas: float | None = None
    """Early-exit Adaptability Score of the centred logit similarity."""
    eas_ci_low: float | None = None
    """Lower end of its 95 % bootstrap interval over prompts."""
    eas_ci_high: float | None = None
    """Upper end of the same."""
    eas_raw: float | None = None
    """The same of the logit similarity without centring."""
    eas_hidden: float | None = None
    """The same of the similarity of states after the final norm."""
    eas_topk: float | None = None
    """The same of the overlap of the K most likely tokens."""
    eas_normalized: float | None = None
    """`eas` over its largest value for this L and alpha."""
    speedup_bound_layers: float | None = None
    """L / `exit_layer_mean`: an upper bound that counts layers only."""
    speedup_bound_head: float | None = None
    """Bytes of full decoding / mean bytes of early decoding, with the embedding and the output head in both."""
    speedup_bound_kv: float | None = None
    """The same, also charging what skipped layers owe their cache."""
    speedup_bound_head_flops: float | None = None
    """`speedup_bound_head` in FLOPs instead of bytes."""
    speedup_bound_kv_flops: float | None = None
    """`speedup_bound_kv` in FLOPs instead of bytes."""
    tie_rate: float | None = None
    """Share of tokens whose two largest full-model logits are equal."""

    # Per layer: lists of length L
    agreement: list[float] | None = None
    """Share of tokens on which the layer has the full model's token."""
    exit_share: list[float] | None = None
    """Share of tokens whose first-match exit the layer is; sums to 1."""
    settled_share: list[float] | None = None
    """Share of tokens whose settled exit the layer is; sums to 1."""
    similarity_logit: list[float] | None = None
    """Mean cosine to the last layer's logits, each vector centred on its mean over the vocabulary."""
    similarity_logit_raw: list[float] | None = None
    """The same without centring."""
    similarity_hidden: list[float] | None = None
    """Mean cosine to the last layer's state after the final norm."""
    similarity_topk: list[float] | None = None
    """Mean share of the K most likely tokens in common with the last layer."""
    entropy_nats: list[float] | None = None
    """Mean entropy of the layer's distribution over the vocabulary."""
    kl_nats: list[float] | None = None
    """Mean KL(softmax(z_L) ‖ softmax(z_ℓ)), of the full model's distribution from the layer's."""
    target_rank: list[float] | None = None
    """Mean rank of the full model's token among the layer's logits, from 1."""
    margin: list[float] | None = None
    """Mean of largest minus second largest logit."""
    layer_kind: list[str] | None = None
    """Kind of the layer: `attention`, `recurrent`, both, `mlp`; with `+moe` if it has experts."""
    layer_bytes: list[int] | None = None
    """Parameter bytes the layer reads for one decoded token; of experts, the active ones."""
    layer_flops: list[int] | None = None
    """2 × elements of the weight matrices among them."""
    layer_owed_bytes: list[int] | None = None
    """Parameter bytes the layer's cache needs even if the layer is skipped; null where that cannot be observed."""
    layer_owed_flops: list[int] | None = None
    """2 × elements of the weight matrices among them."""

    # τ-oracle: lists over the grid `tau`; the exit is the shallowest layer whose similarity to the last is at least τ
    tau: list[float] | None = None
    """Thresholds τ."""
    tau_skip_ratio_logit: list[float] | None = None
    """Mean skip ratio at each τ, by `similarity_logit`."""
    tau_agreement_logit: list[float] | None = None
    """Share of tokens on which that exit has the full model's token."""
    tau_skip_ratio_logit_raw: list[float] | None = None
    """The same by `similarity_logit_raw`."""
    tau_agreement_logit_raw: list[float] | None = None
    """The same by `similarity_logit_raw`."""
    tau_skip_ratio_hidden: list[float] | None = None
    """The same by `similarity_hidden`."""
    tau_agreement_hidden: list[float] | None = None
    """The same by `similarity_hidden`."""
    tau_skip_ratio_topk: list[float] | None = None
    """The same by `similarity_topk`, of the sample."""
    tau_agreement_topk: list[float] | None = None
    """The same by `similarity_topk`, of the sample."""

    # Words: where in a word, a text and the case's vocabulary tokens exit early
    exit_layer_mean_word_initial: float | None = None
    """Mean first-match exit of tokens that begin a word; null without such tokens."""
    exit_layer_mean_continuation: float | None = None
    """Mean first-match exit of tokens that continue one."""
    word_initial_share: float | None = None
    """Share of tokens that begin a word, of those in words."""
    word_position_tokens: list[int] | None = None
    """Tokens at places 0 to 6 of their word, and, the eighth entry, at all further places."""
    word_position_exit_layer_mean: list[float | None] | None = None
    """Their mean first-match exits."""
    text_position_start: list[int] | None = None
    """First position of each stretch of the generated text: 0, 1, 2, 4, 8, …"""
    text_position_tokens: list[int] | None = None
    """Tokens in it."""
    text_position_exit_layer_mean: list[float | None] | None = None
    """Their mean first-match exits."""
    frequency_start: list[int] | None = None
    """Smallest number of occurrences in the case of each group of tokens: 1, 2, 4, 8, …"""
    frequency_tokens: list[int] | None = None
    """Tokens in it."""
    frequency_exit_layer_mean: list[float | None] | None = None
    """Their mean first-match exits."""

    # Halves: exits also between the mixer and the MLP of each layer, of the sample. Exit k of 2L lies behind k/2 layers
    half_exit_mean: float | None = None
    """Mean first-match exit among both kinds, in layers: ℓ − ½ behind the mixer of layer ℓ, ℓ behind all of it."""
    half_exit_settled_mean: float | None = None
    """Mean settled exit among both kinds, in layers."""
    half_skip_ratio: float | None = None
    """Mean of (L − exit)/L."""
    half_skip_ratio_ci_low: float | None = None
    """Lower end of its interval."""
    half_skip_ratio_ci_high: float | None = None
    """Upper end of its interval."""
    half_skip_ratio_settled: float | None = None
    """Mean of (L − exit)/L of the settled exit."""
    half_skip_ratio_layers: float | None = None
    """`skip_ratio` of the same tokens with whole layers only, to compare with."""
    half_agreement: list[float | None] | None = None
    """L: share of tokens on which the state behind the layer's mixer gives the full model's token; null where the layer
    has no two halves."""
    half_exit_share: list[float | None] | None = None
    """L: share of tokens whose first match is there."""

    # Cost
    head_bytes: int | None = None
    """Parameter bytes read behind the layers for one decoded token: final norm, projections, output head."""
    head_flops: int | None = None
    """2 × elements of the weight matrices among them."""
    embedding_bytes: int | None = None
    """Parameter bytes read before the layers; of a table, one row."""
    embedding_flops: int | None = None
    """2 × elements of the weight matrices among them."""
    generate_seconds: float | None = None
    """Wall-clock time of decoding, without the readout."""
    oracle_seconds: float | None = None
    """Wall-clock time of reading out every exit."""
    peak_memory_bytes: int | None = None
    """Peak during the case: allocated on a GPU, resident in the process on a CPU."""

    # Provenance
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
    python_version: str
    platform: str
    """Operating system and processor architecture."""
    accelerator: str
    """Name of the GPU, or of the processor."""
    driver: str | None = None
    """CUDA and driver version; null on a CPU."""

    def headline(self) -> dict[str, Any]:
        """The columns of the terminal's table and of pytest-benchmark's `extra_info`."""
        return {name: getattr(self, name) for name in HEADLINE}


HEADLINE = (
    "model",
    "workload",
    "prompts",
    "tokens",
    "num_layers",
    "exit_layer_mean",
    "exit_layer_settled_mean",
    "skip_ratio",
    "skip_ratio_ci_low",
    "skip_ratio_ci_high",
    "skip_ratio_chance",
    "eas",
    "speedup_bound_layers",
    "speedup_bound_head",
    "speedup_bound_kv",
    "limited",
)
