"""Real sessions of `pytest suites/` on tiny models: what is measured, printed, written, skipped and refused."""

import csv
import hashlib
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import time
import xml.etree.ElementTree
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from many_sessions import Ended, many_sessions
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmark.inputs.catalog import WORKLOAD_FOLDER
from benchmark.inputs.prompts import read_prompts
from benchmark.inputs.workload_entry import load_workload
from benchmark.models.hub import Hub

EXPERIMENTS = ("answers", "bounds", "exits", "gates", "halves", "layers", "speculation", "suitability", "words")
"""Tests of a case, in the order in which they run."""
SMALL = ("--study", "oracle", "--limit", "2", "--max-new-tokens", "4")
HUMANEVAL = ("--workload", "humaneval")
TRANSLATION = ("--workload", "translation")


@pytest.fixture(scope="module")
def run_many(start: Callable[..., subprocess.Popen[str]]) -> Callable[..., dict[str, Ended]]:
    """Run one session after the other in a single process; arguments by name of the session."""
    return partial(many_sessions, start)


def rows(results: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Every row of a results folder, by model and workload; one of each is expected."""
    found = [json.loads(path.read_text()) for path in results.glob("*/*/*.json")]
    by_case = {(row["model"], row["workload"]): row for row in found}
    assert len(by_case) == len(found)
    return by_case


def fill_with_nan(folder: Path) -> None:
    """Make the second layer of a saved model return NaN, with files of the same size and time."""
    file = folder / "model.safetensors"
    before = file.stat()
    model = AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        model.model.layers[1].mlp.down_proj.weight.fill_(torch.nan)
    model.save_pretrained(folder)
    assert file.stat().st_size == before.st_size
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@dataclass(frozen=True)
class Place:
    """A folder with models, a model file and results."""

    folder: Path

    @property
    def models(self) -> Path:
        return self.folder / "models.yaml"

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def arguments(self, *more: str | Path) -> list[str | Path]:
        return ["--model-file", self.models, "--results-dir", self.results, *SMALL, *more]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path, make_tiny: Callable[..., Path]) -> Place:
    """Three models: one that is whole, one whose second layer gives NaN, and one whose context is short.

    The short one has room for the first prompt of `humaneval`, and lacks a single position for the second.
    """
    folder = tmp_path_factory.mktemp("place")
    shutil.copytree(tiny_folder, folder / "tiny")
    fill_with_nan(shutil.copytree(tiny_folder, folder / "nan"))
    prompts = read_prompts(load_workload(WORKLOAD_FOLDER / "humaneval.yaml"), 2, Hub(download=False))
    tokenizer = AutoTokenizer.from_pretrained(tiny_folder)
    first, second = (len(tokenizer(prompt.text).input_ids) for prompt in prompts)
    assert first < second
    make_tiny(folder / "short", max_position_embeddings=second + 4 - 2)
    (folder / "models.yaml").write_text(
        "models:\n"
        "- {path: tiny, name: Tiny, family: Toys, released: 2026-01-01, stage: base}\n"
        "- {path: nan, name: Broken}\n"
        "- {path: short, name: Short}\n"
    )
    return Place(folder)


@pytest.fixture(scope="module")
def first(place: Place, run_suite: Callable[..., Any]) -> Ended:
    """The first session in `place`: three models on two workloads."""
    reports = ("--junitxml", place.folder / "junit.xml", "--benchmark-json", place.folder / "benchmark.json")
    finished = run_suite(*place.arguments(*HUMANEVAL, *TRANSLATION, *reports))
    return Ended(finished.code, finished.output)


class TestFirstSession:
    def test_a_case_that_fails_makes_the_session_fail(self, first):
        assert first.code == 1
        assert "18 failed, 36 passed" in first

    def test_in_each_experiment_the_cases_of_a_model_run_one_after_the_other(self, first, place):
        tests = xml.etree.ElementTree.parse(place.folder / "junit.xml").iter("testcase")
        names = [re.fullmatch(r"test_(\w+)\[(\w+)-(\w+)\]", test.get("name")).groups() for test in tests]
        by_experiment = {
            experiment: [model for _, model, _ in tests]
            for experiment, tests in itertools.groupby(names, key=lambda name: name[0])
        }
        assert list(by_experiment) == list(EXPERIMENTS)
        for models in by_experiment.values():
            assert models == ["Tiny", "Tiny", "Broken", "Broken", "Short", "Short"]

    def test_each_model_is_loaded_once_for_all_its_cases(self, first):
        for model, folder in (("Tiny", "tiny"), ("Broken", "nan"), ("Short", "short")):
            assert first.output.count(f"{model}: loading from path:{folder}") == 1

    def test_a_case_is_measured_once_for_all_its_experiments(self, first, place):
        benchmarks = json.loads((place.folder / "benchmark.json").read_text())["benchmarks"]
        assert sorted(benchmark["name"] for benchmark in benchmarks) == [
            f"test_answers[{model}-{workload}]"
            for model in ("Short", "Tiny")
            for workload in ("humaneval", "translation")
        ]

    def test_auto_says_that_it_runs_on_the_cpu(self, first):
        if torch.cuda.is_available():
            pytest.skip("there is CUDA")
        assert "exitbench: on cpu (no accelerator found): " in first

    def test_a_row_tells_what_was_measured(self, first, place):
        row = rows(place.results)["Tiny", "translation"]
        expected = {
            "status": "ok",
            "suite": "oracle",
            "source": "path:tiny",
            "family": "Toys",
            "released": "2026-01-01",
            "stage": "base",
            "num_layers": 3,
            "vocab_size": 300,
            "dtype": "float32",
            "prompts": 2,
            "prompts_left_out": 0,
            "max_new_tokens": 4,
            "limited": True,
            "experiments": list(EXPERIMENTS),
        }
        assert {name: row[name] for name in expected} == expected
        assert 2 <= row["tokens"] <= 8
        assert len(row["agreement"]) == 3 and row["agreement"][-1] == 1.0

    def test_a_row_is_filed_under_its_configuration_with_its_tokens_beside_it(self, first, place):
        row = rows(place.results)["Tiny", "humaneval"]
        stem = place.results / "Tiny" / "humaneval" / f"oracle-{row['configuration']}"
        tokens = stem.with_suffix(".parquet")
        assert stem.with_suffix(".json").is_file()
        assert hashlib.sha256(tokens.read_bytes()).hexdigest() == row["token_records_sha256"]
        assert len(pd.read_parquet(tokens)) == row["tokens"]

    def test_nan_fails_the_case_and_names_the_layer(self, first, place):
        for workload in ("humaneval", "translation"):
            row = rows(place.results)["Broken", workload]
            assert row["status"] == "failed"
            assert "NaN" in row["error"] and "layer 2 of 3" in row["error"]
            assert (row["skip_ratio"], row["experiments"]) == (None, [])

    def test_a_failure_is_one_line_for_every_experiment_without_a_traceback(self, first, place):
        assert "Traceback" not in first
        assert "During handling" not in first
        error = rows(place.results)["Broken", "humaneval"]["error"]
        assert first.output.splitlines().count(error) == 2 * len(EXPERIMENTS)

    def test_a_prompt_that_does_not_fit_the_context_is_left_out_and_counted(self, first, place):
        row = rows(place.results)["Short", "humaneval"]
        assert (row["status"], row["prompts"], row["prompts_left_out"]) == ("ok", 1, 1)
        row = rows(place.results)["Short", "translation"]
        assert (row["status"], row["prompts"], row["prompts_left_out"]) == ("ok", 2, 0)

    def test_progress_is_seen_though_pytest_captures(self, first):
        (line,) = [line for line in first.output.splitlines() if line.startswith("Tiny × translation: ")]
        assert re.match(r"Tiny × translation: 2/2 prompts, \d+ tokens in \d+ s, \d+\.\d tokens/s", line)

    def test_the_summary_ends_with_the_results_and_their_folder(self, first, place):
        *_, table, last = first.output.split("exitbench results")[-1].rsplit("\n\n", 1)
        assert "Tiny" in table and "Short" in table and "skip ratio" in table
        assert "* limited" in table
        assert f" failed, in {place.results}" in last

    def test_the_table_has_all_rows_of_the_folder(self, first, place):
        with (place.results / "table.csv").open() as file:
            table = list(csv.DictReader(file))
        assert {(line["model"], line["workload"]) for line in table} == rows(place.results).keys()
        assert "agreement" not in table[0]

    def test_benchmark_json_carries_the_headline_columns(self, first, place):
        benchmarks = json.loads((place.folder / "benchmark.json").read_text())["benchmarks"]
        info = next(b["extra_info"] for b in benchmarks if b["name"] == "test_answers[Tiny-humaneval]")
        row = rows(place.results)["Tiny", "humaneval"]
        headline = ("model", "workload", "tokens", "exit_layer_mean", "skip_ratio", "eas", "speedup_bound_layers")
        assert None not in (info[name] for name in headline)  # although they are of several experiments
        assert {name: info[name] for name in headline} == {name: row[name] for name in headline}


BAD_FILES = {
    "not-yaml": ("models: [", "not readable as YAML: line 1"),
    "empty": ("", "is empty"),
    "no-list": ("- id: a/b", "expected a list of entries under 'models:'"),
    "no-entries": ("models: []", "expected a list with at least one entry"),
    "unknown-field": ("models: [{id: a/b, famly: Toys}]", "field 'famly': unknown field; did you mean 'family'?"),
    "wrong-type": ("models: [{id: a/b, batch_size: many}]", "entry 1 (a/b): field 'batch_size': "),
    "two-of-a-name": ("models: [{id: a/b}, {id: c/b}]", "entry 2 (c/b): field 'name': 'b' is taken by entry 1"),
    "no-source": ("models: [{name: b}]", "entry 1 (b): give exactly one of 'id', 'path', 'package' or 'pieces'"),
    "absent": (None, "no such file"),
}


OUT_OF_RANGE = [
    ("--alpha", "3", "must be a number between 0 and 1, not '3'"),
    ("--tau", "2", "must be numbers between -1 and 1 with commas between them, not '2'"),
    ("--tau", "0.5,x", "must be numbers between -1 and 1 with commas between them, not '0.5,x'"),
    ("--limit", "0", "must be a whole number of at least 1, not '0'"),
    ("--sample", "0", "must be a whole number of at least 1, not '0'"),
    ("--sample", "some", "must be a whole number of at least 1, not 'some'"),
    ("--top-k", "0", "must be a whole number of at least 1, not '0'"),
]


@pytest.fixture(scope="module")
def damaged(first: Ended, place: Place, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A copy of `place` after its first session, in which `Tiny` was damaged without anyone noticing."""
    folder = tmp_path_factory.mktemp("damaged") / "place"
    shutil.copytree(place.folder, folder)
    fill_with_nan(folder / "tiny")
    return Place(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of results of their own."""
    return tmp_path_factory.mktemp("later")


def interrupted(place: Place, results: Path, *done: str, tokens: str = "humaneval") -> tuple[str, Path]:
    """A results folder as a session leaves it that was killed when some experiments of a case were done.

    `tokens` is the workload whose tokens lie beside the row. Returned as arguments of a session.
    """
    row = rows(place.results)["Tiny", "humaneval"]
    path = Path("Tiny", "humaneval", f"oracle-{row['configuration']}.json")
    (results / path).parent.mkdir(parents=True)
    (results / path).write_text(json.dumps(row | {"experiments": sorted(done)}))
    (other,) = (place.results / "Tiny" / tokens).glob("*.parquet")
    shutil.copy(other, (results / path).with_suffix(".parquet"))
    return "--results-dir", results


@pytest.fixture(scope="module")
def later(first: Ended, place: Place, damaged: Place, run_many: Callable[..., Any], folder: Path) -> dict[str, Ended]:
    """Sessions after the first one, in its results folder unless they say otherwise."""
    (folder / "file").touch()
    elsewhere = ("--results-dir", folder / "elsewhere")
    remembered = ("-p", "cacheprovider", "-o", f"cache_dir={folder / 'pytest-cache'}")
    (folder / "far.yaml").write_text("models: [{id: no-such-organization/far, parameters: 7000000000}]\n")
    bad = {}
    for name, (text, _) in BAD_FILES.items():
        file = folder / f"{name}.yaml"
        if text is not None:
            file.write_text(text)
        bad[name] = place.arguments("--model-file", file, "--rerun", "all")
    tiny = ("--model", "Tiny", *HUMANEVAL)
    alone = ("--results-dir", folder / "alone")
    older = dict.fromkeys(("status", "suite", "model", "workload", "configuration"), "x") | {"schema_version": 1}
    (folder / "one").mkdir()
    (folder / "one" / "exits-01234567.json").write_text(json.dumps(older))
    return run_many(
        {
            "again": place.arguments(*HUMANEVAL, *TRANSLATION),
            "missing": place.arguments("--model", "Broken", *HUMANEVAL, "--workload", "math", "--rerun", "missing"),
            "failed": place.arguments("--model", "[TB]*", *HUMANEVAL, "--workload", "chat", "--rerun", "failed"),
            "all": place.arguments("--model", "Tiny", *HUMANEVAL, "--rerun", "all"),
            "benchmarks": place.arguments(*tiny, *elsewhere, "--rerun", "all", "--benchmark-columns=mean,rounds"),
            "listed": place.arguments(*HUMANEVAL, *TRANSLATION, *elsewhere, "--co", "-q"),
            "keyword": place.arguments("-k", "Short and translation", "--co", "-q"),
            "globs": place.arguments("--model", "*r*", "--workload", "h*", "--workload", "chat", "--co", "-q"),
            "no-model": place.arguments("--model", "Tony"),
            "no-workload": place.arguments("--workload", "human"),
            "stop": place.arguments("--model", "Broken", *HUMANEVAL, *TRANSLATION, *elsewhere, "-x"),
            "quiet": place.arguments("--model", "Tiny", *HUMANEVAL, *elsewhere, "--rerun", "all", "-qq"),
            "far": place.arguments("--model-file", folder / "far.yaml", *HUMANEVAL, *elsewhere),
            "unwritable": place.arguments("--model", "Tiny", "--results-dir", folder / "file" / "results"),
            "cuda": place.arguments("--model", "Tiny", "--device", "cuda"),
            **{f"{option} {value}": place.arguments(*tiny, option, value) for option, value, _ in OUT_OF_RANGE},
            "exits alone": ["suites/test_exits.py", *place.arguments(*tiny, *alone)],
            "then all": place.arguments(*tiny, *alone),
            "exits again": ["suites/test_exits.py", *place.arguments(*tiny, *alone, "--rerun", "all")],
            "then none": place.arguments(*tiny, *alone),
            "killed between": place.arguments(*tiny, *interrupted(place, folder / "killed", "exits", "words")),
            "missing ones": place.arguments(
                *tiny, *interrupted(place, folder / "lacks", "exits"), "--rerun", "missing"
            ),
            "other tokens": place.arguments(
                *tiny, *interrupted(place, folder / "swapped", "exits", "words", tokens="translation")
            ),
            "large k": place.arguments(*tiny, "--results-dir", folder / "large-k", "--top-k", "301"),
            "largest k": place.arguments(*tiny, "--results-dir", folder / "largest-k", "--top-k", "300"),
            "one token": place.arguments(
                *tiny, "--results-dir", folder / "one", "--limit", "1", "--max-new-tokens", "1"
            ),
            "every token": place.arguments(*tiny, "--results-dir", folder / "every", "--sample", "all"),
            "two tokens": place.arguments(*tiny, "--results-dir", folder / "two", "--sample", "2"),
            "damaged": damaged.arguments("--model", "Tiny", *HUMANEVAL, "--rerun", "all"),
            "two": damaged.arguments("--model", "Tiny", *HUMANEVAL, "--workload", "chat", *remembered),
            "last-failed": damaged.arguments("--model", "Tiny", *HUMANEVAL, "--workload", "chat", *remembered, "--lf"),
            "unchanged": place.arguments("--model", "Tiny", *HUMANEVAL),
            **bad,
        }
    )


class TestLaterSessions:
    def test_what_is_finished_is_not_measured_again(self, later):
        assert "18 failed, 36 skipped" in later["again"]
        assert "Tiny: loading from" not in later["again"] and "Short: loading from" not in later["again"]

    def test_what_failed_is_tried_again(self, later):
        assert "Broken: loading from" in later["again"]

    def test_the_table_of_pytest_benchmark_is_shown_where_its_options_are_given(self, later):
        assert "benchmark: 1 tests" not in later["all"] and "Rounds" not in later["all"]
        assert "benchmark: 1 tests" in later["benchmarks"] and "Rounds" in later["benchmarks"]

    def test_finished_cases_are_in_the_table_of_a_session_that_skips_them(self, later):
        assert " failed, in" in later["again"]

    def test_rerun_missing_leaves_failures_alone(self, later):
        assert "9 failed, 9 skipped" in later["missing"]
        assert "test_words[Broken-math]" in later["missing"]

    def test_rerun_failed_leaves_alone_what_was_never_measured(self, later):
        assert "9 failed, 27 skipped" in later["failed"]
        assert "test_words[Broken-humaneval]" in later["failed"]

    def test_rerun_all_measures_again(self, later):
        assert later["all"].code == 0
        assert "9 passed" in later["all"]
        assert later["all"].output.count("Tiny: loading from") == 1

    def test_collecting_lists_the_cases_and_writes_nothing(self, later):
        ids = [line for line in later["listed"].output.splitlines() if line.startswith("suites/")]
        assert len(ids) == 54
        assert ids[0] == "suites/test_answers.py::test_answers[Tiny-humaneval]"
        assert "exitbench results" not in later["listed"]

    def test_a_keyword_picks_cases(self, later):
        ids = [line for line in later["keyword"].output.splitlines() if line.startswith("suites/")]
        assert ids == [f"suites/test_{name}.py::test_{name}[Short-translation]" for name in EXPERIMENTS]

    def test_globs_pick_models_and_workloads(self, later):
        ids = {line.partition("::")[2] for line in later["globs"].output.splitlines() if line.startswith("suites/")}
        assert ids == {
            f"test_{experiment}[{model}-{workload}]"
            for experiment in EXPERIMENTS
            for model in ("Broken", "Short")
            for workload in ("humaneval", "chat")
        }

    def test_stopping_at_the_first_failure_leaves_the_rest(self, later):
        assert later["stop"].code != 0
        assert "1 failed" in later["stop"]
        assert "test_exits[Broken-humaneval]" not in later["stop"]

    def test_very_quiet_shows_no_progress(self, later):
        assert later["quiet"].code == 0
        assert "/2 prompts" not in later["quiet"] and "loading from" not in later["quiet"]

    def test_a_model_that_is_not_here_is_left_away_with_size_and_remedy(self, later):
        assert later["far"].code == pytest.ExitCode.NO_TESTS_COLLECTED
        assert " deselected" in later["far"] and " skipped" not in later["far"]
        assert "exitbench: 1 model cannot run here: not on this machine (1); -rs lists them" in later["far"]
        section = later["far"].output.split("not measured now")[-1]
        assert "not on this machine; allow the download to fetch it (--download):\n  far (7 B, 14 GB)" in section

    def test_a_failure_never_replaces_a_row_that_went_well(self, later, place, damaged):
        assert "9 failed" in later["damaged"]
        row = rows(damaged.results)["Tiny", "humaneval"]
        assert row["status"] == "ok"
        assert row["configuration"] == rows(place.results)["Tiny", "humaneval"]["configuration"]

    def test_last_failed_picks_the_cases_that_failed(self, later):
        assert "9 failed, 9 skipped" in later["two"]
        *_, summary = later["last-failed"].output.splitlines()
        assert "9 failed" in summary and "skipped" not in summary
        assert "test_words[Tiny-chat]" in later["last-failed"]

    def test_the_results_of_earlier_sessions_are_still_there(self, later):
        """Whatever went wrong in the sessions between."""
        assert "9 skipped" in later["unchanged"]
        assert "1 case ended in an earlier run; --rerun all|failed repeats them" in later["unchanged"]

    def test_rows_of_an_older_version_are_told_of(self, later, folder):
        told = f"{folder / 'one'}: JSON files not counted: 1 of an older version (measure again)"
        assert told in later["one token"].output.split("exitbench results")[-1]
        assert "not counted" not in later["every token"]


def numbers(row: dict[str, Any]) -> dict[str, Any]:
    """What two measurements of the same must have in common."""
    differing = (
        "started",
        "generate_seconds",
        "oracle_seconds",
        "case_seconds",
        "load_seconds",
        "peak_memory_bytes",
        "harness_dirty",
    )
    return {name: value for name, value in row.items() if name not in differing}


class TestExperiments:
    """They share a trace, and fill one row in whatever order and number of sessions."""

    def test_one_alone(self, later):
        assert "1 passed" in later["exits alone"]
        assert "skip ratio" in later["exits alone"]

    def test_the_others_need_no_model(self, later, folder, place):
        assert "9 skipped" in later["then all"]  # the row is whole since the first
        assert "loading from" not in later["then all"]
        row = rows(folder / "alone")["Tiny", "humaneval"]
        assert numbers(row) == numbers(rows(place.results)["Tiny", "humaneval"])

    def test_one_measured_again_leaves_the_row_with_all_it_had(self, later, folder):
        assert "1 passed" in later["exits again"]
        assert "Tiny: loading from" in later["exits again"]
        assert rows(folder / "alone")["Tiny", "humaneval"]["experiments"] == list(EXPERIMENTS)
        assert "9 skipped" in later["then none"]

    @pytest.mark.parametrize(("session", "results"), [("killed between", "killed"), ("missing ones", "lacks")])
    def test_a_row_that_lacks_some_is_completed_without_the_model(self, later, folder, place, session, results):
        assert "9 passed" in later[session]
        assert "loading from" not in later[session]
        row = rows(folder / results)["Tiny", "humaneval"]
        assert numbers(row) == numbers(rows(place.results)["Tiny", "humaneval"])

    def test_tokens_that_are_not_those_of_the_row_are_measured_again(self, later, folder, place):
        assert "9 passed" in later["other tokens"]
        assert later["other tokens"].output.count("Tiny: loading from") == 1
        row = rows(folder / "swapped")["Tiny", "humaneval"]
        assert numbers(row) == numbers(rows(place.results)["Tiny", "humaneval"])


class TestSettings:
    """The smallest, the largest, and what is too large."""

    def test_one_token_of_one_prompt(self, later, folder):
        assert "9 passed" in later["one token"]
        row = rows(folder / "one")["Tiny", "humaneval"]
        assert (row["prompts"], row["tokens"], row["sampled_tokens"]) == (1, 1, 1)
        assert row["skip_ratio_ci_low"] is None and row["interval_missing"]

    def test_a_sample_of_every_token(self, later, folder):
        assert "9 passed" in later["every token"]
        row = rows(folder / "every")["Tiny", "humaneval"]
        assert row["sampled_tokens"] == row["tokens"] > 2

    def test_a_sample_of_two(self, later, folder):
        assert "9 passed" in later["two tokens"]
        row = rows(folder / "two")["Tiny", "humaneval"]
        (tokens,) = (folder / "two").glob("*/*/*.parquet")
        assert row["sampled_tokens"] == pd.read_parquet(tokens)["sampled"].sum() <= 2

    def test_as_many_of_the_most_likely_tokens_as_there_are(self, later, folder):
        assert "9 passed" in later["largest k"]
        row = rows(folder / "largest-k")["Tiny", "humaneval"]
        assert (row["top_k"], row["similarity_topk"]) == (300, [1.0, 1.0, 1.0])

    def test_more_than_there_are_is_one_failed_case(self, later, folder):
        message = "K = 301 is larger than the vocabulary of 300 tokens; use a smaller K"
        assert "9 failed" in later["large k"]
        assert later["large k"].output.splitlines().count(f"{message} (--top-k)") == len(EXPERIMENTS)
        row = rows(folder / "large-k")["Tiny", "humaneval"]
        assert (row["status"], row["error"]) == ("failed", message)


def refused(session: Ended, message: str) -> None:
    """The session ended before anything was collected, with one message."""
    assert session.code == 4, session.output
    errors = [line for line in session.output.splitlines() if line.startswith("ERROR: ")]
    assert len(errors) == 1 and message in errors[0]
    assert "Traceback" not in session
    assert "exitbench results" not in session


class TestRefusals:
    @pytest.mark.parametrize("name", BAD_FILES)
    def test_a_bad_model_file_is_one_message_that_names_it(self, later, name):
        refused(later[name], BAD_FILES[name][1])
        assert f"{name}.yaml: " in later[name]

    def test_a_model_that_matches_nothing_lists_the_names(self, later, place):
        refused(later["no-model"], f"--model 'Tony' matches nothing in {place.models}; there are: Tiny, Broken, Short")

    def test_a_workload_that_matches_nothing_lists_the_names(self, later):
        refused(later["no-workload"], "--workload 'human' matches nothing in the workloads; there are: chat, humaneval")

    def test_a_results_folder_that_cannot_be_written_is_found_out_first(self, later):
        assert "--results-dir: cannot write to " in later["unwritable"]
        refused(later["unwritable"], "name another folder")

    @pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
    def test_cuda_that_is_not_there_is_one_line(self, later):
        refused(later["cuda"], "device cuda: torch sees no accelerator here; use auto or cpu (--device)")

    @pytest.mark.parametrize(("option", "value", "message"), OUT_OF_RANGE)
    def test_an_option_out_of_range_says_so_in_one_line(self, later, option, value, message):
        session = later[f"{option} {value}"]
        assert session.code == 4
        assert session.output.splitlines().count(f"pytest.main(): error: argument {option}: {message}") == 1
        assert "Traceback" not in session


@pytest.fixture(scope="module")
def killed(place: Place, start: Callable[..., subprocess.Popen[str]], run_suite: Any, tmp_path_factory: Any) -> Any:
    """Kill a session as soon as its first row is written, then give the same command again."""
    results = tmp_path_factory.mktemp("killed") / "results"
    workloads = (*HUMANEVAL, *TRANSLATION, "--workload", "chat", "--workload", "math")
    command = ("--model-file", place.models, "--model", "Tiny", *workloads)
    command = (*command, "--study", "oracle", "--results-dir", results, "--max-new-tokens", "100")
    process = start("-m", "pytest", "suites/", "-p", "no:cacheprovider", *command)
    deadline = time.monotonic() + 120
    while not list(results.glob("*/*/*.json")) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    before = rows(results)
    finished = run_suite(*command)
    return results, before, process.returncode, Ended(finished.code, finished.output)


def test_a_killed_session_is_completed_by_the_same_command(killed):
    results, before, code, finished = killed
    assert code == -signal.SIGKILL
    assert 1 <= len(before) < 4
    done = sum(len(row["experiments"]) for row in before.values())
    assert f"{36 - done} passed" in finished
    assert {workload for _, workload in rows(results)} == {"chat", "humaneval", "math", "translation"}
    for row in rows(results).values():
        assert (row["status"], row["experiments"]) == ("ok", list(EXPERIMENTS))


def test_a_killed_session_measures_nothing_twice(killed):
    results, before, *_ = killed
    for case, row in before.items():
        after = rows(results)[case]
        assert {name: after[name] for name, value in row.items() if value and name != "experiments"} == {
            name: value for name, value in row.items() if value and name != "experiments"
        }


def test_a_killed_session_leaves_no_damaged_file(killed):
    results, *_ = killed
    for (model, workload), row in rows(results).items():
        (tokens,) = (results / model / workload).glob("*.parquet")
        assert hashlib.sha256(tokens.read_bytes()).hexdigest() == row["token_records_sha256"]
        assert len(pd.read_parquet(tokens)) == row["tokens"]
    assert len(pd.read_csv(results / "table.csv")) == 4
