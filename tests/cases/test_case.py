"""A whole case on tiny models: one trace, six experiments, one row; and what becomes of it in later sessions."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.cases import measure as measuring
from benchmark.cases.case import Case, Settings
from benchmark.cases.resources import Model, Workload
from benchmark.errors import CannotRun, InputError, MeasurementError
from benchmark.inputs.catalog import load_workloads
from benchmark.inputs.model_entry import load_models
from benchmark.metrics.experiments import EXPERIMENTS
from benchmark.models.hub import Hub
from benchmark.models.locate import Machine
from benchmark.results.atomic_files import locked
from benchmark.results.store import Store, read_row
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer
from benchmark.trace.costs import Task

KINDS: dict[str, tuple[str, Task, str]] = {
    "dense": ("llama", "causal", "math"),
    "moe": ("mixtral", "causal", "math"),
    "ssm": ("mamba", "causal", "math"),
    "hybrid": ("jamba", "causal", "math"),
    "encoder-decoder": ("t5", "encoder-decoder", "math"),
    "encoder": ("modernbert", "masked", "masked_passages"),
}
CPU = Machine(torch.device("cpu"), None, trust_remote_code=False)
ASKED: dict[str, Any] = {
    "limit": 3,
    "max_new_tokens": 5,
    "batch_size": 2,
    "alpha": 0.5,
    "seed": 0,
    "tau": (0.5, 1.0),
    "top_k": 5,
    "sample": 8,
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Task], Path]:
    """Folder of a tiny model of a type, with its tokenizer; saved once."""
    folder = tmp_path_factory.mktemp("saved")

    def save(model_type: str, task: Task) -> Path:
        path = folder / model_type
        if not path.exists():
            tiny_model(model_type, task, max_position_embeddings=2048).save_pretrained(path)
            tiny_tokenizer().save_pretrained(path)
        return path

    return save


@pytest.fixture
def make_case(saved: Callable[[str, Task], Path], tmp_path: Path) -> Callable[..., Case]:
    """A case with its rows in an empty folder, as a session of its own would make it."""

    def make(model_type: str = "llama", task: Task = "causal", workload: str = "math", **settings: Any) -> Case:
        asked = ASKED | settings
        (tmp_path / "models.yaml").write_text(f"models:\n- path: {saved(model_type, task)}\n  name: tiny\n")
        (spec,) = load_models(tmp_path / "models.yaml")
        (chosen,) = (spec for spec in load_workloads() if spec.name == workload)
        hub = Hub(download=False)
        return Case(
            model=Model(spec, hub, CPU, announce=lambda text: None),
            workload=Workload(chosen, hub, asked["limit"]),
            settings=Settings(machine=CPU, **asked),
            store=Store(tmp_path / "results"),
        )

    return make


def measure(case: Case) -> Case:
    case.measure(lambda tokens, prompts: None)
    return case


def record(case: Case, *names: str) -> None:
    for name in names:
        case.record(name, EXPERIMENTS[name](case.trace, case.choices))


@pytest.fixture
def decodings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """An entry for every time that prompts are decoded."""
    decode, calls = measuring.decode, []

    def counted(*args: Any) -> Any:
        calls.append("decoded")
        return decode(*args)

    monkeypatch.setattr(measuring, "decode", counted)
    return calls


def assert_same_trace(found: Any, expected: Any) -> None:
    for name, array in vars(expected).items():
        np.testing.assert_array_equal(getattr(found, name), array, err_msg=name)


class TestMeasuring:
    """From files on disk to a row on disk."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_case_of_each_kind_of_model(self, kind, make_case):
        case = measure(make_case(*KINDS[kind]))
        record(case, *EXPERIMENTS)
        row = read_row(case.path)
        assert (row.status, row.architecture, row.prompts, row.limited) == ("ok", kind, 3, True)
        assert row.experiments == sorted(EXPERIMENTS)
        assert 1 <= row.exit_layer_mean <= row.exit_layer_settled_mean <= row.num_layers
        assert (row.tokens, row.sampled_tokens) == (case.trace.num_tokens, case.trace.sampled.sum())
        assert row.sampled_tokens <= 8

    def test_the_row_waits_for_its_experiments(self, make_case):
        case = measure(make_case())
        assert (case.row.status, case.row.experiments, case.row.skip_ratio) == ("ok", [], None)

    def test_an_experiment_adds_its_columns_and_touches_no_others(self, make_case):
        case = measure(make_case())
        record(case, "exits")
        before = case.row.model_dump()
        record(case, "words")
        after = case.row.model_dump()
        assert after["experiments"] == ["exits", "words"]
        changed = {name for name in after if after[name] != before[name]}
        assert changed == {"experiments", *EXPERIMENTS["words"](case.trace, case.choices)}

    def test_what_another_session_adds_meanwhile_is_kept(self, make_case):
        case = measure(make_case())
        theirs = case.row.model_dump() | {"experiments": ["exits"], "skip_ratio": 0.25}
        ours = threading.Thread(target=record, args=(case, "words"))
        with locked(case.path):
            ours.start()
            time.sleep(0.2)  # until it waits for the lock
            case.path.write_text(json.dumps(theirs))
        ours.join()
        assert (case.row.experiments, case.row.skip_ratio) == (["exits", "words"], 0.25)

    def test_the_row_says_what_was_asked_for(self, make_case):
        row = measure(make_case(alpha=0.25, seed=3)).row
        asked = {
            "alpha": 0.25,
            "seed": 3,
            "tau": [0.5, 1.0],
            "top_k": 5,
            "max_new_tokens": 5,
            "batch_size": 2,
            "dtype": "float32",
        }
        assert {name: getattr(row, name) for name in asked} == asked

    def test_a_model_whose_costs_cannot_be_read_has_a_row_without_them(self, make_case):
        case = make_case()
        case.model.loaded()
        case.model.loaded._outcome[0] = replace(case.model.loaded(), costs=None)
        record(measure(case), *EXPERIMENTS)
        row = case.row
        assert row.speedup_bound_layers is not None
        assert (row.speedup_bound_head, row.layer_bytes, row.architecture) == (None, None, None)
        assert row.parameters == case.model.loaded().num_parameters

    def test_one_token_of_one_prompt(self, make_case):
        case = measure(make_case(limit=1, max_new_tokens=1))
        record(case, *EXPERIMENTS)
        row = case.row
        assert (row.tokens, row.prompts, row.sampled_tokens) == (1, 1, 1)
        assert row.skip_ratio_ci_low is None and "one prompt" in row.interval_missing

    def test_a_sample_that_happens_to_be_empty_leaves_its_columns_empty(self, make_case):
        """A small sample may draw places that no text reaches."""
        case = measure(make_case(sample=0))
        record(case, *EXPERIMENTS)
        row = case.row
        assert row.sampled_tokens == 0
        assert row.skip_ratio is not None and row.eas is not None
        for name in ("skip_ratio_chance", "similarity_topk", "eas_topk", "entropy_nats", "margin", "half_skip_ratio"):
            assert getattr(row, name) is None, name

    @pytest.mark.parametrize(
        ("model_type", "task", "workload"), [("llama", "causal", "masked_passages"), ("bert", "masked", "chat")]
    )
    def test_a_workload_of_the_other_kind_cannot_run(self, model_type, task, workload, make_case):
        with pytest.raises(CannotRun, match="masked tokens are for encoder models"):
            make_case(model_type, task, workload).path  # noqa: B018

    def test_more_of_the_most_likely_tokens_than_there_are_is_refused(self, make_case):
        with pytest.raises(MeasurementError, match="K = 129 is larger than the vocabulary of 128 tokens"):
            measure(make_case(top_k=129))


class TestConfiguration:
    """What was asked for is in the name of the file."""

    @pytest.mark.parametrize(
        "other",
        [
            {"max_new_tokens": 6},
            {"limit": 2},
            {"batch_size": 1},
            {"alpha": 0.25},
            {"seed": 1},
            {"tau": (0.5,)},
            {"top_k": 4},
            {"sample": 9},
            {"sample": None},
        ],
        ids=str,
    )
    def test_another_setting_is_another_row(self, other, make_case):
        assert make_case(**other).path != make_case().path

    def test_the_same_setting_is_the_same_row(self, make_case):
        assert make_case().path == make_case().path


class TestLaterSessions:
    """A row is filled from its stored tokens; only when these are not what they were, the model runs again."""

    @pytest.fixture
    def first(self, make_case: Callable[..., Case]) -> Case:
        """A case of an earlier session, killed when two of its experiments were done."""
        case = measure(make_case())
        record(case, "exits", "halves")
        return case

    def test_the_tokens_are_read_and_no_model_is_loaded(self, first, make_case, decodings):
        later = make_case()
        later.read()
        assert_same_trace(later.trace, first.trace)
        record(later, "words")
        assert later.row.experiments == ["exits", "halves", "words"]
        assert (later.measured, decodings) == (False, [])
        assert later.model.loaded._outcome == []

    def test_columns_from_stored_tokens_equal_those_from_fresh_ones(self, first, make_case):
        later = make_case()
        later.read()
        for name, experiment in EXPERIMENTS.items():
            assert experiment(later.trace, later.choices) == experiment(first.trace, first.choices), name

    @pytest.mark.parametrize("damage", ["gone", "cut", "changed", "of another case"])
    def test_damaged_tokens_are_not_taken(self, first, make_case, damage):
        tokens = first.path.with_suffix(".parquet")
        content = tokens.read_bytes()
        match damage:
            case "gone":
                tokens.unlink()
            case "cut":
                tokens.write_bytes(content[:-10])
            case "changed":
                tokens.write_bytes(bytes([content[0] ^ 1]) + content[1:])
            case "of another case":
                tokens.write_bytes(measure(make_case(seed=1)).path.with_suffix(".parquet").read_bytes())
        later = make_case()
        later.read()
        assert later.trace is None

    def test_measured_again_it_has_the_experiments_it_had(self, first, make_case):
        before = first.row.model_dump()
        later = make_case()
        assert later.earlier.experiments == ["exits", "halves"]
        after = measure(later).row.model_dump()
        changed = {name for name in after if after[name] != before[name]}
        assert changed <= {"started", "generate_seconds", "oracle_seconds", "peak_memory_bytes"}

    def test_what_failed_before_has_no_tokens(self, make_case):
        make_case().record_failure(InputError("the disk was on fire"))
        later = make_case()
        later.read()
        assert later.trace is None
        assert measure(later).row.status == "ok"

    def test_a_row_that_is_taken_away_meanwhile_is_one_line(self, first):
        first.path.unlink()
        with pytest.raises(InputError, match=r"\.json: is gone; measure the case again"):
            first.record("exits", {})
        with pytest.raises(InputError, match=r"\.json: is gone; measure the case again"):
            first.choices  # noqa: B018


class TestFailures:
    """A row that says why."""

    def test_a_failure_is_a_row_and_never_replaces_a_good_one(self, make_case):
        case = make_case()
        case.record_failure(InputError("the disk was on fire"))
        assert (case.row.status, case.row.error) == ("failed", "the disk was on fire")
        row = measure(case).row
        case.record_failure(RuntimeError("again"))
        assert case.row == row

    def test_a_bug_is_told_with_its_kind_in_one_line(self, make_case):
        case = make_case()
        case.record_failure(RuntimeError("first line\nsecond line " + "x" * 600))
        assert case.row.error.startswith("RuntimeError: first line second line xxx")
        assert len(case.row.error) == 500

    def test_a_new_failure_takes_the_place_of_an_old_one(self, make_case):
        case = make_case()
        for text in ("first", "second"):
            case.record_failure(InputError(text))
        assert case.row.error == "second"

    def test_what_failed_is_not_decoded_once_for_every_experiment(self, make_case, decodings):
        case = make_case(top_k=129)
        errors = []
        for _ in EXPERIMENTS:
            with pytest.raises(MeasurementError) as error:
                measure(case)
            errors.append(error.value)
        assert len(decodings) == 1
        assert all(error is errors[0] for error in errors)
