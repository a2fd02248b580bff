"""What somebody may do to an honest row, by accident or to deceive, and the column that the check has to name."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from submissions import Submission

from benchmark.results.row.frame import SCHEMA_VERSION
from benchmark.trace.record import Trace

NAN = float("nan")
COSTS = ("layer_kind", "layer_bytes", "layer_flops", "layer_owed_bytes", "layer_owed_flops", "head_bytes")
COSTS += (
    "layer_active_expert_bytes",
    "layer_expert_bytes",
    "head_flops",
    "embedding_bytes",
    "embedding_flops",
    "active_parameters",
)
FRAME = ("suite", "model", "workload", "configuration", "limited", "alpha", "seed", "started", "accelerator")
FRAME += ("schema_version", "harness_version", "harness_commit", "harness_dirty", "torch_version")
FRAME += ("transformers_version", "python_version", "platform")
ARRAYS = [field.name for field in fields(Trace)]


def with_first(array: np.ndarray, value: Any) -> np.ndarray:
    array.reshape(-1)[0] = value
    return array


def last_layer(array: np.ndarray, value: Any) -> np.ndarray:
    array[0, -1] = value
    return array


def beyond(submission: "Submission", array: np.ndarray) -> np.ndarray:
    """An array of the sample with a value of no vocabulary, where the layer does not match."""
    array[~submission.matches[submission.sampled]] = 10**6
    return array


def scaled(numbers: list[int], factor: float) -> list[int]:
    return [int(number * factor) for number in numbers]


def picked(case: Submission) -> np.ndarray:
    """A sample of as many tokens, but others."""
    return np.roll(case.sampled, 1)


def others_tokens(case: Submission) -> None:
    """Tokens of another model in the place of the row's own, with all that is said of them."""
    shutil.copy(case.other, case.tokens)
    case.replace_tokens()


def duplicate_key(case: Submission) -> None:
    case.path.write_text(case.path.read_text().replace('"eas":', '"eas": 0.99, "eas":'))


def link(path: Path) -> None:
    """A link in the place of a file, to the very same content."""
    elsewhere = path.parents[4] / path.name
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def pipe(path: Path) -> None:
    """Nothing that can be read to its end."""
    path.unlink()
    os.mkfifo(path)


def earlier_exits(case: Submission) -> None:
    """Every token of which nobody has all logits exits at once."""
    matches = case.matches
    matches[~case.sampled] = True
    case.forge(matches=matches)


def fail(case: Submission, **columns: Any) -> None:
    """The row of the same case, had it failed."""
    known = {name: case.row[name] for name in FRAME}
    case.path.write_text(json.dumps(known | {"status": "failed", "error": "logits are NaN"} | columns))


# What was planted: how, and what the check has to name.
PLANTS: dict[str, tuple[Callable[[Submission], object], str]] = {
    "edited skip ratio": (lambda c: c.edit(skip_ratio=c.row["skip_ratio"] + 0.01), "skip_ratio"),
    "edited mean exit": (lambda c: c.edit(exit_layer_mean=c.row["exit_layer_mean"] - 1e-9), "exit_layer_mean"),
    "exit beyond the last layer": (lambda c: c.edit(exit_layer_mean=4.5), "exit_layer_mean"),
    "exit before the first layer": (lambda c: c.edit(exit_layer_settled_mean=0.2), "exit_layer_settled_mean"),
    "share above 1": (lambda c: c.edit(agreement=[1.5, *c.row["agreement"][1:]]), "agreement"),
    "similarity above 1": (
        lambda c: c.edit(similarity_logit=[1.5, *c.row["similarity_logit"][1:]]),
        "similarity_logit",
    ),
    "list too short": (lambda c: c.edit(exit_share=c.row["exit_share"][1:]), "exit_share"),
    "wrong token count": (lambda c: c.edit(tokens=c.row["tokens"] + 1), "tokens"),
    "wrong sample count": (lambda c: c.edit(sampled_tokens=c.row["sampled_tokens"] - 1), "sampled_tokens"),
    "wrong prompt count": (lambda c: c.edit(prompts=15, prompts_left_out=1), "prompts"),
    "another model's tokens": (lambda c: shutil.copy(c.other, c.tokens), "token_records_sha256"),
    "another model's tokens, with their hash": (
        others_tokens,
        "exit_layer_mean",
    ),
    "swapped columns": (
        lambda c: c.edit(skip_ratio=c.row["skip_ratio_settled"], skip_ratio_settled=c.row["skip_ratio"]),
        "skip_ratio",
    ),
    "swapped lists": (lambda c: c.edit(agreement=c.row["exit_share"], exit_share=c.row["agreement"]), "agreement"),
    "NaN in the row": (lambda c: c.edit(eas=NAN), ""),
    "NaN in the tokens": (
        lambda c: c.replace_tokens(similarity_logit=with_first(c.similarity_logit, NAN)),
        "similarity_logit",
    ),
    "truncated Parquet": (lambda c: c.tokens.write_bytes(c.tokens.read_bytes()[:-100]), "token_records_sha256"),
    "truncated Parquet, with its hash": (
        lambda c: (c.tokens.write_bytes(c.tokens.read_bytes()[:-100]), c.rehash()),
        "token_records_sha256",
    ),
    "missing Parquet": (lambda c: c.tokens.unlink(), "token_records_sha256"),
    "Parquet of something else": (lambda c: (c.tokens.write_bytes(b"PAR1"), c.rehash()), "token_records_sha256"),
    "changed dtype": (lambda c: c.edit(dtype="bfloat16"), "layer_bytes"),
    "unknown dtype": (lambda c: c.edit(dtype="float1"), "dtype"),
    "EAS that does not follow from its S": (lambda c: c.edit(eas=c.row["eas"] + 0.05), "eas"),
    "S that does not follow from the tokens": (
        lambda c: c.edit(similarity_hidden=[0.9, *c.row["similarity_hidden"][1:]]),
        "similarity_hidden",
    ),
    "edited interval": (lambda c: c.edit(skip_ratio_ci_low=c.row["skip_ratio_ci_low"] + 0.001), "skip_ratio_ci_low"),
    "removed interval": (lambda c: c.edit(eas_ci_low=None, eas_ci_high=None), "eas_ci_low"),
    "edited speedup bound": (lambda c: c.edit(speedup_bound_kv=c.row["speedup_bound_kv"] + 0.1), "speedup_bound_kv"),
    "layer bytes raised": (lambda c: c.rebound(layer_bytes=scaled(c.row["layer_bytes"], 3)), "layer_bytes"),
    "layer bytes and FLOPs raised": (
        lambda c: c.rebound(layer_bytes=scaled(c.row["layer_bytes"], 3), layer_flops=scaled(c.row["layer_flops"], 3)),
        "layer_bytes",
    ),
    "head bytes lowered": (lambda c: c.rebound(head_bytes=c.row["head_bytes"] * 6 // 10), "head_bytes"),
    "owes more than it has": (
        lambda c: c.rebound(layer_owed_bytes=scaled(c.row["layer_bytes"], 2)),
        "layer_owed_bytes",
    ),
    "costs of other layers": (lambda c: c.edit(layer_bytes=c.row["layer_bytes"][1:]), "layer_bytes"),
    "another architecture": (lambda c: c.edit(architecture="moe"), "architecture"),
    "costs in part": (lambda c: c.edit(head_bytes=None), "layer_bytes"),
    "costs that nobody can add up": (lambda c: c.edit(head_flops=10**30), ""),
    "no such kind of layer": (lambda c: c.edit(layer_kind=["magic"] * 4), "layer_kind"),
    "changed configuration": (lambda c: c.edit(configuration="00000000"), ""),
    "renamed file": (lambda c: c.path.rename(c.path.with_name("oracle-00000000.json")), ""),
    "renamed model": (lambda c: c.edit(model="better"), ""),
    "renamed folder": (lambda c: c.move("better"), ""),
    "model renamed everywhere": (lambda c: (c.edit(model="better"), c.move("better")), "model"),
    "path in the model name": (lambda c: c.edit(model="../../tiny"), ""),
    "HTML in the model name": (lambda c: c.edit(model="<b>tiny</b>"), ""),
    "another source": (lambda c: c.edit(source="hub:lab/better"), "source"),
    "another family than the entry has": (lambda c: c.edit(family="Nova"), "family"),
    "another stage than the entry has": (lambda c: c.edit(stage="base"), "stage"),
    "another step than the entry has": (lambda c: c.edit(training_step=1000), "training_step"),
    "more parameters than were published": (lambda c: c.edit(parameters=10**9), "parameters"),
    "larger vocabulary than its head": (lambda c: c.edit(vocab_size=10**6), "vocab_size"),
    "larger batch than there are prompts": (lambda c: c.edit(batch_size=99), "batch_size"),
    "revision that is none": (lambda c: c.edit(revision="main"), "revision"),
    "hash that is none": (lambda c: c.edit(prompt_ids_sha256="none"), "prompt_ids_sha256"),
    "device that is none": (lambda c: c.edit(device="toaster"), "device"),
    "letters that cannot be printed": (lambda c: c.edit(accelerator="\x1b[31mfast"), "accelerator"),
    "unknown commit": (lambda c: c.edit(harness_commit=None, harness_dirty=None), "harness_commit"),
    "another workload": (lambda c: c.edit(workload="poetry"), "workload"),
    "workload for another kind of model": (lambda c: c.edit(workload="masked_passages"), "workload"),
    "chat template for plain text": (lambda c: c.edit(workload="humaneval", chat_template=True), "chat_template"),
    "bumped schema": (lambda c: c.edit(schema_version=SCHEMA_VERSION + 1), ""),
    "older schema": (lambda c: c.edit(schema_version=SCHEMA_VERSION - 1), ""),
    "older release": (lambda c: c.edit(harness_version="0.0.9"), ""),
    "unknown column": (lambda c: c.edit(quality=1.0), ""),
    "number as text": (lambda c: c.edit(tokens=str(c.row["tokens"])), "tokens"),
    "half-written row": (lambda c: c.path.write_bytes(c.path.read_bytes()[:500]), ""),
    "empty row": (lambda c: c.path.write_text("{}"), ""),
    "other prompts": (lambda c: c.edit(prompts_sha256="0" * 64), "prompts_sha256"),
    "chat template that was not used": (lambda c: c.edit(chat_template=None), "chat_template"),
    "dirty": (lambda c: c.edit(harness_dirty=True), "harness_dirty"),
    "marked as limited": (lambda c: c.edit(limited=True), "limited"),
    "future date": (lambda c: c.edit(started="2999-01-01T00:00:00+00:00"), "started"),
    "no date": (lambda c: c.edit(started="yesterday"), "started"),
    "date without a time zone": (lambda c: c.edit(started="2026-01-01T00:00:00"), "started"),
    "negative time": (lambda c: c.edit(generate_seconds=-1.0), "generate_seconds"),
    "no time": (lambda c: c.edit(oracle_seconds=None), "oracle_seconds"),
    "more active parameters than there are": (lambda c: c.edit(active_parameters=10**12), "active_parameters"),
    "error of a case that went well": (lambda c: c.edit(error="none"), "error"),
    "failed with numbers": (lambda c: c.edit(status="failed", error="no"), "skip_ratio"),
    "failed without a reason": (lambda c: c.edit(status="failed"), "error"),
    "fewer new tokens": (lambda c: c.edit(max_new_tokens=4), "max_new_tokens"),
    "more new tokens": (lambda c: c.edit(max_new_tokens=128), "max_new_tokens"),
    "endless new tokens": (lambda c: c.edit(max_new_tokens=10**15), "max_new_tokens"),
    "another alpha": (lambda c: c.edit(alpha=0.6), "eas"),
    "alpha that cannot be": (lambda c: c.edit(alpha=2.0), "alpha"),
    "another seed": (lambda c: c.edit(seed=1), "sampled"),
    "seed that cannot be": (lambda c: c.edit(seed=-1), "seed"),
    "another tau": (lambda c: c.edit(tau=[0.123, *c.row["tau"][1:]]), "tau_skip_ratio_logit"),
    "tau that cannot be": (lambda c: c.edit(tau=[7.0, *c.row["tau"][1:]]), "tau"),
    "another K": (lambda c: c.edit(top_k=4), "similarity_topk"),
    "lacking experiment": (lambda c: c.edit(experiments=["exits"]), "experiments"),
    "unknown experiment": (lambda c: c.edit(experiments=[*c.row["experiments"], "luck"]), "experiments"),
    "column of an experiment that was not run": (lambda c: c.edit(experiments=["exits"]), "eas"),
    "tokens that match nowhere": (lambda c: c.replace_tokens(matches=last_layer(c.matches, False)), "matches"),
    "tokens in another order of prompts": (lambda c: c.forge(prompt=c.prompt[::-1]), "prompt"),
    "tokens of a prompt that was not asked": (lambda c: c.forge(prompt=c.prompt + 1), "prompt"),
    "prompt left away": (lambda c: c.forge(prompt=np.maximum(c.prompt, 1)), "prompts"),
    "position left out": (lambda c: c.forge(position=c.position + (c.position > 2)), "position"),
    "token beyond the vocabulary": (lambda c: c.forge(target=with_first(c.target, 10**6)), "target"),
    "rank 1 without a match": (lambda c: c.forge(rank=np.ones_like(c.rank)), "rank"),
    "similarity of the last layer": (
        lambda c: c.forge(similarity_logit=last_layer(c.similarity_logit, 0.5)),
        "similarity_logit",
    ),
    "cosine above 1 in the tokens": (
        lambda c: c.forge(similarity_hidden=with_first(c.similarity_hidden, 1.2)),
        "similarity_hidden",
    ),
    "negative divergence": (lambda c: c.forge(kl=with_first(c.kl, -0.1)), "kl"),
    "entropy above that of the vocabulary": (lambda c: c.forge(entropy=with_first(c.entropy, 99.0)), "entropy"),
    "a faster gate": (lambda c: c.edit(gate_speed_99=9.0), "gate_speed_99"),
    "a gate that skips more": (
        lambda c: c.edit(gate_static_skip_ratio=[0.5] * len(c.row["gate_targets"])),
        "gate_static_skip_ratio",
    ),
    "a gate of the vocabulary without its signals": (
        lambda c: c.edit(gate_margin_agreement=[1.0] * len(c.row["gate_targets"])),
        "gate_margin_agreement",
    ),
    "gates that are not said to be missing": (lambda c: c.edit(gates_missing=None), "gates_missing"),
    "faster speculation": (lambda c: c.edit(speedup_speculation=3.0), "speedup_speculation"),
    "more tokens a round": (
        lambda c: c.edit(
            speculation_tokens_per_round=[[2.0, *some[1:]] for some in c.row["speculation_tokens_per_round"]]
        ),
        "speculation_tokens_per_round",
    ),
    "fewer than one token a round": (
        lambda c: c.edit(
            speculation_tokens_per_round=[[0.0, *some[1:]] for some in c.row["speculation_tokens_per_round"]]
        ),
        "speculation_tokens_per_round",
    ),
    "states that need not be taken back": (lambda c: c.edit(speculation_rollback=True), "speculation_rollback"),
    "experts of a layer without a router": (
        lambda c: c.rebound(layer_expert_bytes=[1000] * 4),
        "layer_expert_bytes",
    ),
    "entropy below that of the largest probability": (
        lambda c: c.forge(entropy=np.zeros_like(c.entropy)),
        "entropy",
    ),
    "entropy above what the largest probability leaves": (
        lambda c: c.forge(max_prob=np.ones_like(c.max_prob), prob_margin=np.ones_like(c.prob_margin)),
        "entropy",
    ),
    "largest probability above 1": (lambda c: c.forge(max_prob=with_first(c.max_prob, 1.2)), "max_prob"),
    "largest probability below that of an even spread": (
        lambda c: c.forge(max_prob=with_first(c.max_prob, 0.0)),
        "max_prob",
    ),
    "negative margin of probabilities": (
        lambda c: c.forge(prob_margin=with_first(c.prob_margin, -0.1)),
        "prob_margin",
    ),
    "margin above the largest probability": (
        lambda c: c.forge(prob_margin=with_first(c.prob_margin, 1.0)),
        "prob_margin",
    ),
    "exits that are surer than their logits": (lambda c: c.forge(prob_margin=0.9 * c.max_prob), "prob_margin"),
    "two probabilities that are more than all": (
        lambda c: c.forge(max_prob=with_first(c.max_prob, 0.9), prob_margin=with_first(c.prob_margin, 0.1)),
        "prob_margin",
    ),
    "prediction that matches where the exit does not": (
        lambda c: c.forge(predictions=np.repeat(c.predictions[:, -1:], c.predictions.shape[1], axis=1)),
        "predictions",
    ),
    "similarity to what is before the first layer": (
        lambda c: c.forge(similarity_previous=with_first(c.similarity_previous, 0.5)),
        "similarity_previous",
    ),
    "similarity to the layer before above 1": (
        lambda c: c.forge(similarity_previous=last_layer(c.similarity_previous, 1.5)),
        "similarity_previous",
    ),
    "signals of all that are of the sample": (lambda c: c.edit(signals_asked="all"), "signals_asked"),
    "other number of signals": (lambda c: c.edit(signal_tokens=3), "signal_tokens"),
    "negative margin": (lambda c: c.forge(margin=with_first(c.margin, -1.0)), "margin"),
    "prediction that is no match": (lambda c: c.forge(predictions=c.predictions * 0 + 99), "predictions"),
    "place in a word below −1": (lambda c: c.forge(word_position=with_first(c.word_position, -2)), "word_position"),
    "prediction beyond the vocabulary": (lambda c: c.forge(predictions=beyond(c, c.predictions)), "predictions"),
    "rank beyond the vocabulary": (lambda c: c.forge(rank=beyond(c, c.rank)), "rank"),
    "last layer unlike itself": (
        lambda c: c.forge(similarity_topk=last_layer(c.similarity_topk, 0)),
        "similarity_topk",
    ),
    "last layer diverging from itself": (lambda c: c.forge(kl=last_layer(c.kl, 0.5)), "kl"),
    "negative margin of a layer": (lambda c: c.forge(layer_margin=with_first(c.layer_margin, -1.0)), "layer_margin"),
    "half that is neither": (lambda c: c.forge(half_matches=with_first(c.half_matches, 5)), "half_matches"),
    "half that is there at times": (
        lambda c: c.replace_tokens(half_matches=last_layer(c.half_matches, -1)),
        "half_matches",
    ),
    "better answers": (lambda c: c.edit(score=1.0), "score"),
    "interval of answers that are better": (lambda c: c.edit(score_ci_high=1.0), "score_ci_high"),
    "better answers in the tokens": (
        lambda c: c.replace_tokens(score=np.where(np.isnan(c.score), np.nan, 1.0)),
        "score",
    ),
    "score above 1": (lambda c: c.forge(score=np.where(np.isnan(c.score), np.nan, 2.0)), "score"),
    "negative score": (lambda c: c.forge(score=np.where(np.isnan(c.score), np.nan, -0.5)), "score"),
    "score within a text": (lambda c: c.forge(score=with_first(c.score, 1.0)), "score"),
    "scores of some prompts alone": (lambda c: c.forge(score=np.where(c.prompt > 3, c.score, np.nan)), "score"),
    "scores left away": (lambda c: c.forge(score=c.score * np.nan), "score"),
    "scores left away without a reason": (
        lambda c: (c.forge(score=c.score * np.nan), c.edit(score_errors=None)),
        "score_missing",
    ),
    "scores that are there and missing": (
        lambda c: c.edit(score_errors=None, score_missing="no time"),
        "score",
    ),
    "another scorer": (lambda c: c.edit(scorer="bleu"), "scorer"),
    "unknown scorer": (lambda c: c.edit(scorer="taste"), ""),
    "no scorer": (lambda c: c.edit(scorer=None, targets_sha256=None), "scorer"),
    "other references": (lambda c: c.edit(targets_sha256="0" * 64), "targets_sha256"),
    "references without a scorer": (lambda c: c.edit(scorer=None), "scorer"),
    "hash of references that is none": (lambda c: c.edit(targets_sha256="none"), "targets_sha256"),
    "error on a prompt that was scored": (
        lambda c: c.edit(score_errors=[f"translation/{c.prompt[np.nanargmax(c.score)]}"]),
        "score_errors",
    ),
    "error on a prompt that there is not": (lambda c: c.edit(score_errors=["translation/999"]), "score_errors"),
    "stop strings that the workload does not have": (lambda c: c.edit(stop=["."]), "stop"),
    "texts that go on behind a stop string": (lambda c: c.edit(stop=[str(c.text[3])]), "text"),
    "failed with a score": (lambda c: fail(c, score=0.5), "score"),
    "no tokens": (lambda c: c.replace_tokens(**{name: getattr(c, name)[:0] for name in ARRAYS}), "tokens"),
    "a layer less": (lambda c: c.replace_tokens(matches=c.matches[:, 1:]), "token_records_sha256"),
    "picked sample": (lambda c: c.forge(sampled=picked(c)), "rank"),
    "edited table": (
        lambda c: (c.results / "table.csv").write_text((c.results / "table.csv").read_text().replace("tiny", "huge")),
        "",
    ),
    "table of something else": (lambda c: (c.results / "table.csv").write_bytes(b"\xff,\x00"), ""),
    "table of other rows": (lambda c: shutil.rmtree(c.path.parent.parent), ""),
    "row deleted, tokens kept": (lambda c: c.path.unlink(), ""),
    "texts cut short": (lambda c: c.keep(c.position < 8), "target"),
    "one text cut short": (lambda c: c.keep((c.prompt != 3) | (c.position < 8)), "target"),
    "the same measurement twice": (lambda c: c.twin(), "token_records_sha256"),
    "margins of ties": (lambda c: c.forge(margin=np.zeros_like(c.margin)), "margin"),
    "overlap that does not fit the rank": (
        lambda c: c.forge(similarity_topk=np.ones_like(c.similarity_topk)),
        "similarity_topk",
    ),
    "other tokens exit earlier than the sample": (earlier_exits, "matches"),
    "more weights than are read": (lambda c: c.edit(parameters=500_000, active_parameters=500_000), "layer_bytes"),
    "layers that owe nothing": (
        lambda c: c.rebound(layer_owed_bytes=[0] * 4, layer_owed_flops=[0] * 4),
        "layer_owed_bytes",
    ),
    "a first layer that owes nothing": (
        lambda c: c.rebound(layer_owed_bytes=[0, *c.row["layer_owed_bytes"][1:]]),
        "layer_owed_bytes",
    ),
    "only a first layer that owes": (
        lambda c: c.rebound(layer_owed_bytes=[c.row["layer_owed_bytes"][0], 0, 0, 0]),
        "layer_owed_bytes",
    ),
    "a head for the vocabulary of a toy": (lambda c: c.rebound(head_flops=2 * 128, head_bytes=4 * 128), "head_flops"),
    "a layer that does nothing": (
        lambda c: c.rebound(
            layer_bytes=[400, *c.row["layer_bytes"][1:]],
            layer_flops=[200, *c.row["layer_flops"][1:]],
            layer_owed_bytes=[200, *c.row["layer_owed_bytes"][1:]],
            layer_owed_flops=[100, *c.row["layer_owed_flops"][1:]],
        ),
        "layer_flops",
    ),
    "unknown dtype without costs": (lambda c: c.edit(dtype="float1", **dict.fromkeys(COSTS)), "dtype"),
    "architecture without costs": (lambda c: c.edit(**dict.fromkeys(COSTS)), "architecture"),
    "memory that holds no weights": (lambda c: c.edit(peak_memory_bytes=1000), "peak_memory_bytes"),
    "no time at all": (lambda c: c.edit(generate_seconds=0.0), "generate_seconds"),
    "a date before there was anything": (lambda c: c.edit(started="1970-01-01T00:00:00+00:00"), "started"),
    "commit of the hub for a folder": (lambda c: c.edit(revision="c0ffee" + "0" * 34), "revision"),
    "experiment twice": (lambda c: c.edit(experiments=c.row["experiments"] * 2), "experiments"),
    "no tau": (lambda c: c.edit(tau=[]), "tau"),
    "endless tau": (lambda c: c.edit(tau=[0.5] * 100_000), "tau"),
    "column twice": (duplicate_key, "eas"),
    "more prompts than there are numbers": (lambda c: c.edit(prompts=2**63 - 1, limited=True), "prompts"),
    "failed with numbers of an experiment": (lambda c: fail(c, speedup_bound_kv=2.0), "speedup_bound_kv"),
    "failed with tokens": (fail, "token_records_sha256"),
    "failed and dirty": (lambda c: fail(c, harness_dirty=True), "harness_dirty"),
    "failed and limited": (lambda c: fail(c, limited=True), "limited"),
    "link for a row": (lambda c: link(c.path), ""),
    "link for tokens": (lambda c: link(c.tokens), "token_records_sha256"),
    "link for a table": (lambda c: link(c.results / "table.csv"), ""),
    "link for a folder": (lambda c: (c.results / "linked").symlink_to(c.results / "tiny"), ""),
    "pipe for a row": (lambda c: pipe(c.path), ""),
    "pipe for tokens": (lambda c: pipe(c.tokens), "token_records_sha256"),
    "device for a table": (
        lambda c: ((c.results / "table.csv").unlink(), (c.results / "table.csv").symlink_to("/dev/zero")),
        "",
    ),
    "something else": (lambda c: (c.results / "tiny" / "run.sh").write_text("true"), ""),
    "table in a folder below": (lambda c: shutil.copy(c.results / "table.csv", c.path.parent), ""),
    "row in a folder below": (
        lambda c: shutil.copytree(c.results / "tiny", c.results / "deeper" / "tiny"),
        "",
    ),
}
