"""Cases in two phases, from files on disk to files on disk: rows as any other, that say what decoded."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from folders import read_row
from measured import fresh_job, measure
from submissions import FULL, faulty

from benchmark.cases.identity import asked_of
from benchmark.cases.job import run_job
from benchmark.cases.resources import Resources
from benchmark.decoding import two_phase
from benchmark.decoding.engines.write import write
from benchmark.errors import CannotRun, InputError
from benchmark.inputs.settings import CaptureSettings, GatedSettings
from benchmark.models import hardware
from benchmark.results.comparable import not_a_full_run
from benchmark.results.identity import configuration_of
from benchmark.results.recompute import recompute
from benchmark.results.row import Row
from benchmark.results.store import Store, sha256
from benchmark.trace.record import Trace, WrittenTrace


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A full case in two phases, and the same decoded step by step."""
    folder = tmp_path_factory.mktemp("phases")
    for engine in ("two-phase", "generate"):
        (folder / engine).mkdir()
        measure(folder / engine, engine=engine, **FULL)
    return folder


@pytest.fixture(scope="module")
def turned_over(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A full case in two phases in 16 bit, each of whose texts has one token that is another when it is read."""
    folder = tmp_path_factory.mktemp("turned")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(two_phase, "write", lambda *asked: [[text[0] ^ 1, *text[1:]] for text in write(*asked)])
        measure(folder, engine="two-phase", dtype="bfloat16", **FULL)
    return folder


def rows(folder: Path) -> dict[str | None, tuple[Path, Row]]:
    """Files and rows, by the engine that decoded."""
    found = [(path, read_row(path)) for path in folder.rglob("oracle-*.json")]
    return {row.engine: (path, row) for path, row in found}


def test_the_columns_are_those_of_decoding_step_by_step(folder: Path):
    """But for what was asked for and how long it took; the tokens are the same, in a file like any other."""
    (path, phases), (other, steps) = rows(folder)["two-phase"], rows(folder)["generate"]
    assert (phases.engine_asked, steps.engine_asked) == ("two-phase", "generate")
    for name in (
        "tokens",
        "batch_size",
        "exit_share",
        "agreement",
        "skip_ratio_ci_low",
        "sampled_tokens",
        "with_cache",
    ):
        assert getattr(phases, name) == getattr(steps, name), name
    assert phases.speedup_speculation == steps.speedup_speculation is not None
    assert phases.not_argmax_share is None and not_a_full_run(phases) is None
    trace, expected = (Trace.read_parquet(file.with_suffix(".parquet")) for file in (path, other))
    assert type(trace) is Trace
    for name in ("prompt", "target", "text", "matches", "sampled"):
        assert getattr(trace, name).tolist() == getattr(expected, name).tolist(), name


def test_only_two_phases_are_a_part_of_the_name(folder: Path):
    """Rows of `generate` keep the names that they had before there was a choice."""
    (path, phases), (other, _) = rows(folder)["two-phase"], rows(folder)["generate"]
    columns = json.loads(other.read_text())
    bare = {name: value for name, value in columns.items() if not name.startswith("engine")}
    assert configuration_of(bare) == configuration_of(columns) == columns["configuration"] != phases.configuration
    assert configuration_of(json.loads(path.read_text())) == phases.configuration


def test_the_check_finds_nothing_and_recomputing_changes_nothing(folder: Path, turned_over: Path):
    for place in (folder / "two-phase", turned_over):
        assert faulty(place / "results", place / "models.yaml") == set()
        before = rows(place)
        list(recompute(place / "results"))
        assert rows(place) == before


def test_a_token_that_is_another_when_it_is_read_is_told(turned_over: Path):
    path, row = rows(turned_over)["two-phase"]
    trace = Trace.read_parquet(path.with_suffix(".parquet"))
    assert isinstance(trace, WrittenTrace)
    assert row.not_argmax_share == (trace.written != trace.target).mean() > 0
    assert row.speedup_speculation is not None and row.prompts is not None


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"engine": "generate"}, "engine"),
        ({"engine": None}, "engine"),
        ({"engine_asked": "generate"}, "configuration"),
        ({"engine_asked": None, "engine": None}, "configuration"),
        ({"with_cache": False}, "engine"),
        ({"dtype": "float32"}, "written"),
        ({"not_argmax_share": 0.0}, "not_argmax_share"),
    ],
    ids=str,
)
def test_a_row_that_says_otherwise_is_found(turned_over: Path, tmp_path: Path, columns: dict[str, Any], told: str):
    shutil.copytree(turned_over / "results", tmp_path / "results")
    path, _ = rows(tmp_path)["two-phase"]
    path.write_text(json.dumps(json.loads(path.read_text()) | columns))
    assert told in faulty(tmp_path / "results")


def test_written_tokens_that_were_exchanged_are_found(turned_over: Path, tmp_path: Path):
    shutil.copytree(turned_over / "results", tmp_path / "results")
    path, _ = rows(tmp_path)["two-phase"]
    trace = Trace.read_parquet(path.with_suffix(".parquet"))
    replace(trace, written=trace.target).write_parquet(path.with_suffix(".parquet"))
    path.write_text(
        json.dumps(json.loads(path.read_text()) | {"token_records_sha256": sha256(path.with_suffix(".parquet"))})
    )
    assert "written" in faulty(tmp_path / "results")


@pytest.mark.parametrize(
    ("kind", "settings", "engine"),
    [
        ("dense", {}, "generate"),
        ("dense", {"device": "cuda"}, "two-phase"),
        ("dense", {"device": "cuda", "engine": "generate"}, "generate"),
        ("dense", {"device": "xpu"}, "generate"),
        ("encoder-decoder", {"device": "cuda"}, "generate"),
        ("encoder-decoder", {"engine": "two-phase"}, "two-phase"),
        ("encoder", {"device": "cuda"}, None),
        ("dense", {"engine": "two-phase", "gated": GatedSettings("static", 1)}, None),
    ],
    ids=str,
)
def test_which_engine_decodes(
    tmp_path: Path, kind: str, settings: dict[str, Any], engine: str | None, monkeypatch: pytest.MonkeyPatch
):
    """Unless asked for, two phases on CUDA, where steps can be compiled, and only of causal models."""
    monkeypatch.setattr(hardware, "free_memory", lambda device: 10**9)  # such a device need not be here
    job = fresh_job(tmp_path, kind, **settings)
    asked = asked_of(job.entry, job.workload, job.capture, None, Resources(), job.gated)
    assert asked.engine == engine


def test_masked_tokens_are_refused_in_one_line(tmp_path: Path):
    job = fresh_job(tmp_path, "encoder", engine="two-phase")
    with pytest.raises(CannotRun) as raised:
        run_job(job, Store(tmp_path / "results"))
    assert str(raised.value) == (
        "two phases are for texts that the model writes, not for masked tokens or given texts (tiny); leave the engine "
        "out"
    )


def test_given_texts_are_refused_in_one_line(tmp_path: Path):
    with pytest.raises(InputError, match="engine: two phases are for texts that the model writes, and these are given"):
        CaptureSettings(texts=tmp_path / "texts.jsonl", engine="two-phase")


def test_where_two_phases_do_not_hold_the_row_says_what_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(two_phase, "write", lambda *asked: [[text[0] ^ 1, *text[1:]] for text in write(*asked)])
    row = read_row(measure(tmp_path, engine="two-phase", **FULL))
    assert (row.engine_asked, row.engine) == ("two-phase", "generate")
    assert faulty(tmp_path / "results", tmp_path / "models.yaml") == set()
