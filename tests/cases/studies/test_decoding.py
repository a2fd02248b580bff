"""The decoding study on tiny models: whole rows of every kind of model, gate and policy, and failures that say why."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from folders import read_row
from measured import CLEAN, fresh_job, path_of
from submissions import verdicts

from benchmark.cases.case import Case
from benchmark.cases.job import Job, run_job
from benchmark.cases.resources import Resources
from benchmark.decoding.gated import again
from benchmark.decoding.gated.rule import NEVER, Rule
from benchmark.errors import CannotRun, InputError, MeasurementError
from benchmark.inputs.prompt import Prompt
from benchmark.inputs.settings import GatedSettings
from benchmark.metrics.experiments.decoding import DECODING
from benchmark.metrics.experiments.exits import EXITS
from benchmark.report.findings.comparable_rows import comparable, read
from benchmark.report.leaderboard.build import files
from benchmark.results.merge import merge
from benchmark.results.recompute import recompute
from benchmark.results.row import Row
from benchmark.results.store import Store
from benchmark.results.table import read_table

SMALL: dict[str, Any] = {"limit": 4, "max_new_tokens": 6, "batch_size": 2}
RULES = (
    "max_prob=0.02",
    "margin@0.3",
    "entropy@0.3",
    "saturation=0.9",
    "patience=2",
    "static=2",
    "learned@0.3",
    "oracle",
)
DECODERS = ("dense", "moe", "ssm", "hybrid", "encoder-decoder")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that keeps the models of all tests."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def resources() -> Resources:
    """Keeps the last model."""
    return Resources()


@pytest.fixture
def make_job(place: Path) -> Callable[..., Job]:
    """A job on a tiny model, each kind of which is saved once."""

    def make(rule: str = "margin=0.02", policy: str = "propagate", kind: str = "dense", **more: Any) -> Job:
        looks = {name: more.pop(name) for name in ("check_every", "min_exit_layer") if name in more}
        return fresh_job(place, kind, kind, gated=GatedSettings.of(rule, policy, **looks), **SMALL | more)

    return make


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results")


@pytest.fixture
def decoded_texts(monkeypatch: pytest.MonkeyPatch) -> list[Rule]:
    """The rules of every time that a model decodes."""
    decode, calls = again.decode, []

    def counted(model: Any, prompts: Any, limits: Any, rule: Any, *args: Any) -> Any:
        calls.append(rule)
        return decode(model, prompts, limits, rule, *args)

    monkeypatch.setattr(again, "decode", counted)
    return calls


def faults(folder: Path) -> set[str]:
    """Columns that a check names, but for those that are so because the run is small."""
    named = {fault.column for verdict in verdicts(folder) for fault in verdict.faults}
    return named - {"limited", "max_new_tokens", "harness_commit", "harness_dirty"}


class TestWholeRows:
    """From files on disk to a row on disk, which the check believes."""

    @pytest.mark.parametrize("kind", DECODERS)
    def test_of_each_kind_of_model(self, kind, make_job, store, resources):
        job = make_job(kind=kind)
        row = run_job(job, store, resources=resources)
        assert row == read_row(path_of(job, store))
        assert (row.status, row.suite, row.architecture, row.experiments) == ("ok", "decoding", kind, ["decoding"])
        assert (row.gate, row.threshold_asked, row.target_asked, row.policy) == ("margin", 0.02, None, "propagate")
        assert (row.prompts, row.calibration_prompts, row.threshold) == (4, None, 0.02)
        record = Case(path_of(job, store), row).decoded
        assert (row.tokens, row.full_tokens) == (record.num_tokens, len(record.token) - record.num_tokens)
        assert record.text.tolist() and set(np.unique(record.prompt)) == {0, 1, 2, 3}
        assert row.skip_ratio is not None and row.speedup_gated is not None and row.same_until is not None
        assert (row.score is None, row.score_full is None, row.scored_prompts) == (False, False, 4)
        store.write_table()
        assert faults(store.folder) == set()

    @pytest.mark.parametrize("policy", ["recompute", "propagate", "copy"])
    @pytest.mark.parametrize("rule", RULES)
    def test_of_each_gate_and_policy(self, rule, policy, make_job, store, resources):
        job = make_job(rule, policy)
        row = run_job(job, store, resources=resources)
        assert (row.status, row.gate, row.policy) == ("ok", rule.partition("@")[0].partition("=")[0], policy)
        whole = "=" in rule
        assert (row.prompts, row.calibration_prompts) == ((4, None) if whole else (2, 2))
        record = Case(path_of(job, store), row).decoded
        assert set(np.unique(record.prompt)) == ({0, 1, 2, 3} if whole else {1, 3})
        assert record.gated.looks == (1, 2, 3)
        if row.target_asked is not None:
            assert row.calibration_agreement >= row.target_asked
        if rule == "oracle" and policy == "recompute":
            assert (row.same_text, row.same_until, row.chrf, row.score) == (1, 1, 1, row.score_full)
            assert record.of(False).token.tolist() == record.of(True).token.tolist()
        store.write_table()
        assert faults(store.folder) == set()

    def test_the_full_model_s_text_is_that_of_the_oracle_study(self, make_job, store, resources):
        job = make_job()
        record = Case(path_of(job, store), run_job(job, store, resources=resources)).decoded
        other = replace(job, gated=None)
        trace = Case(path_of(other, store), run_job(other, store, resources=resources)).trace
        full = record.of(True)
        for name, array in (("prompt", trace.prompt), ("position", trace.position), ("token", trace.target)):
            assert getattr(full, name).tolist() == array.tolist()
        assert full.text.tolist() == trace.text.tolist()
        np.testing.assert_array_equal(full.score, trace.score)

    def test_the_first_threshold_changes_with_the_target(self, make_job, store, resources):
        strict, lax = (run_job(make_job(f"margin@{target}"), store, resources=resources) for target in (0.5, 0.1))
        assert strict.threshold >= lax.threshold
        assert strict.calibration_agreement >= lax.calibration_agreement

    def test_looks_are_where_they_are_asked_for(self, make_job, store, resources):
        job = make_job("static=1", check_every=2, min_exit_layer=2)
        row = run_job(job, store, resources=resources)
        record = Case(path_of(job, store), row).decoded
        assert record.gated.looks == (2,)
        assert set(record.exit_layer[~record.full & (record.position > 0)]) == {2}
        assert row.looks_per_token == pytest.approx((row.tokens - row.prompts) / row.tokens)

    def test_one_prompt_is_decoded_by_the_oracle_whatever_its_number(self, make_job, store, resources):
        row = run_job(make_job("oracle", limit=1), store, resources=resources)
        assert (row.prompts, row.calibration_prompts, row.skip_ratio_ci_low) == (1, None, None)
        store.write_table()
        assert faults(store.folder) == set()

    def test_stop_strings_end_gated_texts(self, make_job, store, resources):
        """Told by the letters of the answers: some stop string was there, and no text goes on behind one."""
        texts = ("one two three", "four five six")
        free = replace(
            make_job("static=1", max_new_tokens=12),
            prompts=tuple(Prompt(id=f"w/{n}", messages=text) for n, text in enumerate(texts)),
        )
        before = Case(path_of(free, store), run_job(free, store, resources=resources)).decoded.of(False)
        stop = next(piece for piece in before.text[before.position == 4].tolist() if "\ufffd" not in piece and piece)
        stopped = replace(free, prompts=tuple(prompt.model_copy(update={"stop": (stop,)}) for prompt in free.prompts))
        row = run_job(stopped, store, resources=resources)
        after = Case(path_of(stopped, store), row).decoded.of(False)
        assert len(after.token) < len(before.token)
        for number in (0, 1):
            pieces = after.text[after.prompt == number].tolist()
            assert stop not in "".join(pieces[:-1])
            assert before.text[before.prompt == number].tolist()[: len(pieces)] == pieces
            assert stop not in after.answer[after.last][number]


class TestAgain:
    """Rows resume, and go the ways of all rows."""

    def test_a_second_run_decodes_nothing(self, make_job, store, resources, decoded_texts):
        first = run_job(make_job(), store, resources=resources)
        count = len(decoded_texts)
        assert count
        assert run_job(make_job(), store, resources=Resources()) == first
        assert len(decoded_texts) == count

    def test_cases_of_a_model_share_what_the_full_model_writes(self, make_job, store, decoded_texts):
        shared = Resources()
        for rule, policy in (("margin=0.02", "propagate"), ("margin=0.02", "recompute"), ("static=1", "propagate")):
            run_job(make_job(rule, policy), store, resources=shared)
        assert len(decoded_texts) == 4  # three texts with early exits, and one without
        # No pass looks ahead for a text that nothing may leave.
        assert sum(rule is NEVER for rule in decoded_texts) == 1

    def test_damaged_texts_are_decoded_again(self, make_job, store, resources, decoded_texts):
        first = run_job(make_job(), store, resources=resources)
        tokens = path_of(make_job(), store).with_suffix(".parquet")
        tokens.write_bytes(tokens.read_bytes()[:-10])
        again = run_job(make_job(), store, resources=Resources())
        timing = {name for name in type(first).model_fields if name.endswith("_seconds")}
        timing |= {"started", "peak_memory_bytes"}
        assert again.model_dump(exclude=timing) == first.model_dump(exclude=timing)

    def test_recompute_gives_the_same_numbers(self, make_job, store, resources):
        row = run_job(make_job(), store, resources=resources)
        path = path_of(make_job(), store)
        damaged = json.loads(path.read_text()) | {"same_until": 0.123, "skip_ratio": 0.5}
        path.write_text(json.dumps(damaged))
        assert list(recompute(store.folder)) == [path]
        assert read_row(path) == row

    def test_another_scoring_is_the_same_row(self, make_job, store, resources, decoded_texts):
        first = run_job(make_job(), store, resources=resources)
        count = len(decoded_texts)
        other = run_job(make_job(alpha=0.25), store, resources=resources)
        assert (other.alpha, other.configuration, len(decoded_texts)) == (0.25, first.configuration, count)

    @pytest.mark.parametrize(
        "other",
        [
            {"rule": "margin=0.03"},
            {"rule": "margin@0.3"},
            {"rule": "max_prob=0.02"},
            {"policy": "recompute"},
            {"check_every": 2},
            {"min_exit_layer": 2},
            {"max_new_tokens": 5},
            {"seed": 1},
        ],
        ids=str,
    )
    def test_another_rule_is_another_row(self, other, make_job, store):
        assert path_of(make_job(**other), store) != path_of(make_job(), store)

    def test_a_case_has_the_record_of_its_study_and_no_other(self, make_job, store, resources):
        job = make_job()
        case = Case(path_of(job, store), run_job(job, store, resources=resources))
        assert case.columns(DECODING).same_until == case.row.same_until
        with pytest.raises(InputError):
            _ = case.trace
        other = replace(job, gated=None)
        case = Case(path_of(other, store), run_job(other, store, resources=resources))
        assert case.columns(EXITS).skip_ratio == case.row.skip_ratio
        with pytest.raises(InputError, match="is a row of the study 'oracle', where no token left early"):
            _ = case.decoded


@pytest.fixture(scope="module")
def both(place: Path, resources: Resources, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with rows of both studies, as of full runs: one of the oracle, three of decoding."""
    folder = tmp_path_factory.mktemp("both") / "results"
    store = Store(folder)
    rules = (None, ("margin=0.02", "propagate"), ("margin=0.02", "recompute"), ("oracle", "propagate"))
    for rule in rules:
        gated = None if rule is None else GatedSettings.of(*rule)
        job = fresh_job(place, "dense", "dense", gated=gated, **SMALL)
        run_job(job, store, resources=resources)
        store.update(path_of(job, store), lambda row: row.model_copy(update=CLEAN | {"limited": False}))
    store.write_table()
    return folder


class TestBothStudies:
    """Rows of both lie in one folder; readers choose one."""

    def test_the_check_takes_no_two_of_them_for_the_same_measurement(self, both):
        problems = [fault.problem for verdict in verdicts(both) for fault in verdict.faults]
        assert not [problem for problem in problems if "same measurement" in problem or "once more" in problem]

    def test_the_table_has_a_line_for_each(self, both):
        table = read_table(both).set_index("suite")
        assert sorted(table.index) == ["decoding"] * 3 + ["oracle"]
        assert table.loc["decoding", "same_until"].notna().all() and table.loc["decoding", "eas"].isna().all()
        assert table.loc[["oracle"], "eas"].notna().all() and table.loc[["oracle"], "same_until"].isna().all()

    def test_merging_keeps_all(self, both, tmp_path):
        list(merge(tmp_path / "merged", [both]))
        assert sorted(path.name for path in (tmp_path / "merged").rglob("*.json")) == sorted(
            path.name for path in both.rglob("*.json")
        )

    def test_leaderboard_and_findings_are_those_of_the_oracle_alone(self, both, tmp_path):
        alone = tmp_path / "alone"
        shutil.copytree(both, alone)
        for path in [*alone.rglob("decoding-*")]:
            path.unlink()
        Store(alone).write_table()
        tables = [
            comparable(read(folder)[0]).rows.drop(columns="path", errors="ignore").reset_index(drop=True)
            for folder in (both, alone)
        ]
        assert tables[0].equals(tables[1]) and len(tables[0]) == 1
        pages = [files(folder, folder / "page", None, False, False) for folder in (both, alone)]
        for name in ("models.csv", "rows.csv"):
            assert pages[0][name] == pages[1][name]
        assert b"Left out: 3 of another study" in pages[0]["leaderboard.md"]


class TestFailures:
    """A row that says why, in one line."""

    @pytest.mark.parametrize(
        ("asked", "message"),
        [
            ({"kind": "ssm", "policy": "copy"}, "copy"),
            ({"rule": "static@1"}, "gate static: no threshold lets a token leave and keeps 100.0% of the calibration"),
            ({"min_exit_layer": 4}, "the model has 4 layers, and no look below the last; begin before layer 4"),
            ({"min_exit_layer": 400}, "the model has 4 layers, and no look below the last; begin before layer 400"),
            ({"rule": "margin@0.5", "limit": 1}, "a target is chosen by half of the prompts and judged by the other"),
            ({"rule": "patience=4"}, "gate patience=4: the model has 4 layers, and the gate looks at 3 of them; ask"),
            ({"rule": "static=5"}, "gate static=5: the model has 4 layers, and the gate looks at 3 of them; ask"),
        ],
        ids=str,
    )
    def test_is_one_clear_line(self, asked, message, make_job, store, resources):
        job = make_job(**asked)
        with pytest.raises(MeasurementError) as error:
            run_job(job, store, resources=resources)
        row = read_row(path_of(job, store))
        assert row.status == "failed"
        assert message in row.error and "\n" not in row.error and "Traceback" not in row.error
        assert str(error.value).startswith(row.error[:100])
        assert (row.gate, row.policy, row.suite) == (job.gated.gate, job.gated.policy, "decoding")
        store.write_table()
        assert faults(store.folder) == set()

    def test_an_encoder_writes_nothing(self, place, store, resources):
        job = fresh_job(place, "encoder", "encoder", gated=GatedSettings.of("oracle", "recompute"), **SMALL)
        with pytest.raises(MeasurementError, match="encoders write no text, so nothing can leave early"):
            run_job(job, store, resources=resources)
        assert read_row(path_of(job, store)).status == "failed"

    def test_a_model_that_is_not_there_leaves_no_row(self, make_job, store, tmp_path):
        job = make_job()
        gone = replace(job, entry=job.entry.model_copy(update={"path": str(tmp_path / "gone")}))
        with pytest.raises((CannotRun, InputError)):
            run_job(gone, store)
        assert not list(store.folder.rglob("*.json"))


def test_a_row_says_what_was_asked_for(make_job, store, resources):
    row: Row = run_job(make_job("margin@0.3", check_every=2, seed=3), store, resources=resources)
    assert (row.target_asked, row.threshold_asked, row.check_every, row.min_exit_layer, row.seed) == (
        0.3,
        None,
        2,
        1,
        3,
    )
    assert (row.top_k, row.signals_asked, row.generate_seconds, row.sampled_tokens) == (None, None, None, None)
    assert row.gated_seconds > 0 and row.full_seconds > 0 and row.peak_memory_bytes > 0
