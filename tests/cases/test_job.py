"""A job on tiny models: one whole row, and what becomes of it when the job is run again."""

import json
import multiprocessing
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from folders import read_row
from measured import path_of

from benchmark.cases.case import Case
from benchmark.cases.job import Job, run_job
from benchmark.cases.resources import Resources
from benchmark.cases.studies import oracle
from benchmark.errors import CannotRun, InputError, MeasurementError
from benchmark.inputs.catalog import load_workloads
from benchmark.inputs.model_entry import load_models
from benchmark.inputs.prompt import Prompt
from benchmark.inputs.settings import CaptureSettings
from benchmark.metrics.experiments import EXPERIMENTS
from benchmark.metrics.experiments.exits import EXITS
from benchmark.metrics.scoring import Scoring
from benchmark.results.audit.row import false_claims
from benchmark.results.identity import IDENTITY, configuration_of
from benchmark.results.row import Row
from benchmark.results.store import Store
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
ASKED: dict[str, Any] = {"limit": 3, "max_new_tokens": 5, "batch_size": 2, "top_k": 5, "sample": 8}
NAMES = sorted(experiment.name for experiment in EXPERIMENTS)
OWN = """
from typing import Annotated
from benchmark.metrics.column_types import Column, Columns
from benchmark.metrics.experiment import Experiment

class EarlyColumns(Columns):
    early_share: Annotated[float | None, Column(low=0, high=1, title="early")] = None
    '''Share of tokens that layer 1 has right.'''

EARLY = Experiment("early", EarlyColumns, lambda trace, scoring, costs: EarlyColumns(
    early_share=float(trace.matches[:, 0].mean())
))
"""


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
def make_job(saved: Callable[[str, Task], Path], tmp_path: Path) -> Callable[..., Job]:
    """A job on a tiny model, as plain data."""

    def make(
        model_type: str = "llama",
        task: Task = "causal",
        workload: str = "math",
        alpha: float = 0.5,
        tau: tuple[float, ...] = (0.5, 1.0),
        **settings: Any,
    ) -> Job:
        (tmp_path / "models.yaml").write_text(f"models:\n- path: {saved(model_type, task)}\n  name: tiny\n")
        (entry,) = load_models(tmp_path / "models.yaml")
        (chosen,) = (spec for spec in load_workloads() if spec.name == workload)
        asked = ASKED | settings
        return Job(entry, chosen, CaptureSettings(**asked), Scoring(alpha, tau, asked.get("seed", 0)))

    return make


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results")


@pytest.fixture
def decodings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """An entry for every time that prompts are decoded."""
    measure, calls = oracle.measure, []

    def counted(*args: Any) -> Any:
        calls.append("decoded")
        return measure(*args)

    monkeypatch.setattr(oracle, "measure", counted)
    return calls


def numbers(row: Row) -> dict[str, Any]:
    """All columns but those that differ between two runs of the same."""
    differ = {"started", "generate_seconds", "oracle_seconds", "case_seconds", "load_seconds", "peak_memory_bytes"}
    return {name: value for name, value in row.model_dump().items() if name not in differ}


class TestMeasuring:
    """From files on disk to a row on disk, in one write."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_row_of_each_kind_of_model_is_whole(self, kind, make_job, store):
        job = make_job(*KINDS[kind])
        row = run_job(job, store)
        assert row == read_row(path_of(job, store))
        assert (row.status, row.architecture, row.prompts, row.limited) == ("ok", kind, 3, True)
        assert row.experiments == NAMES
        assert 1 <= row.exit_layer_mean <= row.exit_layer_settled_mean <= row.num_layers
        trace = Case(path_of(job, store), row).trace
        assert (row.tokens, row.sampled_tokens) == (trace.num_tokens, trace.sampled.sum())
        assert row.sampled_tokens <= 8

    def test_the_row_says_what_was_asked_for(self, make_job, store):
        row = run_job(make_job(alpha=0.25, seed=3), store)
        asked = {"alpha": 0.25, "seed": 3, "tau": [0.5, 1.0], "top_k": 5, "max_new_tokens": 5, "dtype": "float32"}
        asked |= {"batch_size_asked": 2, "dtype_asked": "auto", "sample_asked": 8, "workload_kind": "chat"}
        assert {name: getattr(row, name) for name in asked} == asked

    def test_the_row_rebuilds_its_own_hash(self, make_job, store):
        job = make_job()
        row = run_job(job, store)
        assert configuration_of(row.model_dump()) == row.configuration
        assert "configuration" not in {fault.column for fault in false_claims(path_of(job, store), row, EXPERIMENTS)}
        other = row.model_copy(update={"max_new_tokens": 6})
        assert "configuration" in {fault.column for fault in false_claims(path_of(job, store), other, EXPERIMENTS)}

    def test_given_prompts_are_fed_and_not_those_of_the_workload(self, make_job, store):
        prompts = (Prompt(id="a", messages="one two"), Prompt(id="b", messages="three"))
        row = run_job(replace(make_job(), prompts=prompts), store)
        assert row.prompts == 2

    def test_a_model_whose_costs_cannot_be_read_has_a_row_without_them(self, make_job, store):
        job, resources = make_job(), Resources()
        loaded = resources.model(job.entry, job_machine(job))
        resources.lend(job.entry, resources.source(job.entry, job_machine(job)), replace(loaded, costs=None))
        row = run_job(job, store, resources=resources)
        assert row.speedup_bound_layers is not None
        assert (row.speedup_bound_head, row.layer_bytes, row.architecture) == (None, None, None)
        assert row.parameters == loaded.num_parameters

    def test_one_token_of_one_prompt(self, make_job, store):
        row = run_job(make_job(limit=1, max_new_tokens=1), store)
        assert (row.tokens, row.prompts, row.sampled_tokens) == (1, 1, 1)
        assert row.skip_ratio_ci_low is None and "one prompt" in row.interval_missing

    @pytest.mark.parametrize(
        ("model_type", "task", "workload"), [("llama", "causal", "masked_passages"), ("bert", "masked", "chat")]
    )
    def test_a_workload_of_the_other_kind_cannot_run_and_leaves_no_row(
        self, model_type, task, workload, make_job, store
    ):
        with pytest.raises(CannotRun, match="masked tokens are for encoder models"):
            run_job(make_job(model_type, task, workload), store)
        assert not list(store.folder.rglob("*.json"))


def job_machine(job: Job) -> Any:
    from benchmark.cases.identity import machine_of

    return machine_of(job.capture)


class TestIdentity:
    """What was captured names the file, and nothing else does."""

    @pytest.mark.parametrize(
        "other",
        [
            {"max_new_tokens": 6},
            {"limit": 2},
            {"batch_size": 1},
            {"seed": 1},
            {"top_k": 4},
            {"sample": 9},
            {"sample": None},
            {"dtype": "float32"},
        ],
        ids=str,
    )
    def test_another_capture_is_another_row(self, other, make_job, store):
        assert path_of(make_job(**other), store) != path_of(make_job(), store)

    @pytest.mark.parametrize("other", [{"alpha": 0.25}, {"tau": (0.5,)}], ids=str)
    def test_another_scoring_is_the_same_row(self, other, make_job, store):
        assert path_of(make_job(**other), store) == path_of(make_job(), store)

    def test_everything_hashed_is_a_column(self):
        assert set(IDENTITY) <= set(Row.model_fields)


class TestRunAgain:
    """A row is read, or scored anew from its stored tokens; only when these are gone the model runs again."""

    @pytest.fixture
    def first(self, make_job: Callable[..., Job], store: Store) -> Row:
        """The row of an earlier run."""
        return run_job(make_job(), store)

    def test_nothing_is_measured_twice(self, first, make_job, store, decodings):
        assert run_job(make_job(), store) == first
        assert decodings == []

    def test_another_scoring_decodes_nothing_and_gives_what_measuring_with_it_gives(
        self, first, make_job, store, decodings, tmp_path
    ):
        row = run_job(make_job(alpha=0.25, tau=(0.9,)), store)
        assert decodings == []
        assert (row.alpha, row.tau, row.started) == (0.25, [0.9], first.started)
        assert row.eas != first.eas
        measured = run_job(make_job(alpha=0.25, tau=(0.9,)), Store(tmp_path / "elsewhere"))
        assert numbers(row) == numbers(measured)
        assert run_job(make_job(), store) == first

    @pytest.mark.parametrize("damage", ["gone", "cut", "changed"])
    def test_damaged_tokens_are_not_taken(self, first, make_job, store, damage, decodings):
        tokens = path_of(make_job(), store).with_suffix(".parquet")
        content = tokens.read_bytes()
        match damage:
            case "gone":
                tokens.unlink()
            case "cut":
                tokens.write_bytes(content[:-10])
            case "changed":
                tokens.write_bytes(bytes([content[0] ^ 1]) + content[1:])
        assert numbers(run_job(make_job(), store)) == numbers(first)
        assert decodings == ["decoded"]

    def test_asked_to_it_measures_anew(self, first, make_job, store, decodings):
        assert numbers(run_job(make_job(), store, anew=True)) == numbers(first)
        assert decodings == ["decoded"]

    def test_an_experiment_of_ones_own_is_added_from_the_tokens(self, first, make_job, store, decodings, tmp_path):
        (tmp_path / "own.py").write_text(OWN)
        job = replace(make_job(), suites=(tmp_path / "own.py",))
        row = run_job(job, store)
        assert decodings == []
        assert row.experiments == sorted([*NAMES, "early"])
        case = Case(path_of(job, store), row)
        assert row.own_columns == {"early_share": float(case.trace.matches[:, 0].mean())}
        assert case.columns(EXITS).skip_ratio == row.skip_ratio
        assert json.loads(path_of(job, store).read_text())["early_share"] == row.own_columns["early_share"]

    def test_a_scoring_that_would_leave_columns_of_ones_own_stale_is_refused(self, make_job, store, tmp_path):
        (tmp_path / "own.py").write_text(OWN)
        run_job(replace(make_job(), suites=(tmp_path / "own.py",)), store)
        with pytest.raises(InputError, match="experiment 'early' is not known here; name the suite file"):
            run_job(make_job(alpha=0.25), store)


class TestFailures:
    """A row that says why."""

    def test_a_failure_is_a_row(self, make_job, store):
        job = make_job(top_k=129)
        with pytest.raises(MeasurementError, match="K = 129 is larger than the vocabulary of 128 tokens"):
            run_job(job, store)
        row = read_row(path_of(job, store))
        assert row.status == "failed"
        assert row.error.startswith("K = 129 is larger than the vocabulary of 128 tokens")

    def test_where_nothing_can_be_written_one_line_says_so(self, make_job, store):
        job = make_job()
        folder = store.path(job.entry.name, job.workload.name, "oracle", "0").parent
        folder.mkdir(parents=True)

        def in_the_way(*_: Any) -> None:
            shutil.rmtree(store.folder, ignore_errors=True)
            store.folder.touch()

        with pytest.raises(InputError, match=r"cannot be written: Not a directory; make room there"):
            run_job(job, store, in_the_way)

    def test_it_never_replaces_a_good_one(self, make_job, store, monkeypatch):
        job = make_job()
        row = run_job(job, store)

        def break_down(*_: Any) -> None:
            raise RuntimeError("first line\nsecond line " + "x" * 600)

        monkeypatch.setattr(oracle, "measure", break_down)
        with pytest.raises(RuntimeError):
            run_job(job, store, anew=True)
        assert read_row(path_of(job, store)) == row

    def test_a_bug_is_told_with_its_kind_in_one_line_and_the_next_run_replaces_it(self, make_job, store, monkeypatch):
        def break_down(*_: Any) -> None:
            raise RuntimeError("first line\nsecond line " + "x" * 600)

        job = make_job()
        with monkeypatch.context() as patch:
            patch.setattr(oracle, "measure", break_down)
            with pytest.raises(RuntimeError):
                run_job(job, store)
        error = read_row(path_of(job, store)).error
        assert error.startswith("RuntimeError: first line second line xxx")
        assert len(error) == 500
        assert run_job(job, store).status == "ok"


class TestPlainData:
    """A job passes from process to process."""

    def test_a_job_pickles(self, make_job):
        job = replace(make_job(), prompts=(Prompt(id="a", messages="one"),), suites=(Path("own.py"),))
        assert pickle.loads(pickle.dumps(job)) == job

    def test_and_still_knows_where_it_is_from(self, make_job, store):
        job = make_job()
        assert path_of(pickle.loads(pickle.dumps(job)), store) == path_of(job, store)

    def test_seeds_that_differ_are_refused(self, make_job):
        with pytest.raises(InputError, match=r"^seed: 0 of the capture is not 5 of the scoring; give one$"):
            replace(make_job(), scoring=Scoring(seed=5))

    @pytest.mark.parametrize(
        ("field", "value"),
        [("entry", {"path": "x"}), ("workload", "math"), ("capture", None), ("scoring", 0.5), ("suites", (lambda: 0,))],
    )
    def test_what_is_no_plain_data_is_refused(self, make_job, field, value):
        with pytest.raises(InputError, match=f"^job: {field}: must be "):
            replace(make_job(), **{field: value})


def run_elsewhere(job: Job, folder: Path, told: Any) -> None:
    """Run a job in a process of its own, and tell what it was told."""
    waits: list[str] = []
    row = run_job(job, Store(folder), waiting=waits.append)
    told.put((row.started, waits))


def test_a_case_belongs_to_one_process_at_a_time(make_job, store):
    """The second process waits, and then reads what the first has written."""
    job, context = make_job(), multiprocessing.get_context("spawn")
    told = context.Queue()
    path = path_of(job, store)
    with store.claim(path):
        second = context.Process(target=run_elsewhere, args=(job, store.folder, told))
        second.start()
        row = run_job(job, Unclaimed(store.folder))
        second.join(2)
        assert second.is_alive()  # it waits, or is about to
    second.join(120)
    started, _ = told.get(timeout=10)
    assert started == row.started
    assert np.array_equal([1], [len(list(store.folder.rglob("oracle-*.json")))])


class Unclaimed(Store):
    """The store of the process that holds the case."""

    def claim(self, path: Path, waiting: Callable[[str], None] = lambda holder: None) -> Any:
        from contextlib import nullcontext

        return nullcontext()
