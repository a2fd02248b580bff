"""Frauds and accidents: each is planted into an honest row, and the check names its column."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from measured import measure
from submissions import Submission, faulty, honest_world, verdicts

from benchmark.check_columns import other_columns
from benchmark.experiments import EXPERIMENTS, Choices
from benchmark.results import read_row, read_tokens, sha256
from benchmark.row import SCHEMA_VERSION, Row
from benchmark.trace import Trace

NAN = float("nan")
ARRAYS = [field.name for field in fields(Trace)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two honest cases, of `tiny` and of `other`."""
    return honest_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Row of a run with `--limit 3`."""
    return measure(tmp_path_factory.mktemp("limited"), limit=3)


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
    "wrong sample count": (lambda c: c.edit(sampled_tokens=19), "sampled_tokens"),
    "wrong prompt count": (lambda c: c.edit(prompts=15, prompts_left_out=1), "prompts"),
    "another model's tokens": (lambda c: shutil.copy(c.other, c.tokens), "token_records_sha256"),
    "another model's tokens, with their hash": (
        lambda c: (shutil.copy(c.other, c.tokens), c.rehash()),
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
    "more new tokens": (lambda c: c.edit(max_new_tokens=64), "sampled"),
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
    "no tokens": (lambda c: c.replace_tokens(**{name: getattr(c, name)[:0] for name in ARRAYS}), "tokens"),
    "a layer less": (lambda c: c.replace_tokens(matches=c.matches[:, 1:]), "matches"),
    "picked sample": (lambda c: c.forge(sampled=picked(c)), "rank"),
    "edited table": (
        lambda c: (c.results / "table.csv").write_text((c.results / "table.csv").read_text().replace("tiny", "huge")),
        "",
    ),
    "table of something else": (lambda c: (c.results / "table.csv").write_bytes(b"\xff,\x00"), ""),
    "table of other rows": (lambda c: shutil.rmtree(c.path.parent.parent), ""),
    "row deleted, tokens kept": (lambda c: c.path.unlink(), ""),
}


class TestPlantedFaults:
    """Each is planted into an honest row, and named by its column."""

    @pytest.fixture
    def submission(self, world: Path, tmp_path: Path) -> Submission:
        shutil.copytree(world, tmp_path, dirs_exist_ok=True)
        return Submission(tmp_path)

    def test_nothing_is_found_before(self, submission: Submission, tmp_path: Path):
        assert faulty(tmp_path / "results", tmp_path / "models.yaml") == set()

    @pytest.mark.parametrize("plant", PLANTS)
    def test_is_found(self, plant: str, submission: Submission, tmp_path: Path):
        act, column = PLANTS[plant]
        act(submission)
        assert column in faulty(tmp_path / "results", tmp_path / "models.yaml")

    def test_picked_sample_that_fits_its_tokens(self, submission: Submission, tmp_path: Path):
        """The rarest forgery: every array of the sample is moved with it."""
        trace = Trace.read_parquet(submission.tokens)
        order = np.r_[5 : len(trace.target), 0:5]  # the tokens of the first prompt become those of the last
        in_sample = np.cumsum(trace.sampled) - 1
        moved = {}
        for field in fields(trace):
            array = getattr(trace, field.name)
            of_sample = len(array) != len(trace.target)
            moved[field.name] = array[in_sample[order[trace.sampled[order]]]] if of_sample else array[order]
        submission.forge(**moved | {"prompt": trace.prompt, "position": trace.position})
        assert faulty(tmp_path / "results") == {"sampled"}

    def test_masked_positions_that_go_back(self, tmp_path: Path):
        path = measure(tmp_path, "encoder")
        trace = Trace.read_parquet(path.with_suffix(".parquet"))
        replace(trace, position=trace.position[::-1]).write_parquet(path.with_suffix(".parquet"))
        row = json.loads(path.read_text()) | {"token_records_sha256": sha256(path.with_suffix(".parquet"))}
        path.write_text(json.dumps(row))
        assert "position" in faulty(path.parent)

    def test_limited_run_marked_as_full(self, limited: Path):
        assert faulty(limited.parent) == {"limited"}
        row = json.loads(limited.read_text())
        limited.write_text(json.dumps(row | {"limited": False}))
        (verdict,) = verdicts(limited.parent)
        assert [line.partition("limited: ")[2] for line in verdict.lines()] == [
            "is false, but 3 prompts were taken of 16"
        ]


@pytest.fixture(scope="module")
def honest(world: Path) -> tuple[Row, Trace]:
    """The row of `tiny`, and its tokens."""
    (path,) = (world / "results" / "tiny").rglob("*.json")
    row = read_row(path)
    assert row is not None
    return row, read_tokens(path, row)


class TestEveryColumn:
    """No column of an experiment can be changed unseen."""

    def changes(self, row: Row, trace: Trace) -> Iterator[tuple[str, Any]]:
        for compute in EXPERIMENTS.values():
            for column, value in compute(trace, Choices.of_row(row)).items():
                if column == "tau":
                    continue  # a setting: what it gives is compared
                if isinstance(value, list):
                    first = next(number for number, entry in enumerate(value) if entry is not None)
                    yield column, [*value[:first], value[first] + 1, *value[first + 1 :]]
                else:
                    yield column, 1.0 if value is None else value + 1e-5 if isinstance(value, float) else None

    def test_changed_by_a_little(self, honest: tuple[Row, Trace]):
        row, trace = honest
        unseen = []
        for column, value in self.changes(row, trace):
            value = "a reason" if column == "interval_missing" else value
            named = {fault.column for fault in other_columns(row.model_copy(update={column: value}), trace)}
            if named != {column}:
                unseen.append((column, named))
        assert unseen == []

    def test_rounded_in_the_last_digits(self, honest: tuple[Row, Trace]):
        row, trace = honest
        assert row.eas is not None and row.skip_ratio_chance is not None
        other = {"eas": row.eas * (1 + 1e-9), "skip_ratio_chance": row.skip_ratio_chance + 1e-9}
        assert list(other_columns(row.model_copy(update=other), trace)) == []
