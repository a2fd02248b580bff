"""Cases of given texts, from files on disk to files on disk: a row as any other, and never ranked."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from folders import read_row
from measured import CLEAN, fresh_job, path_of
from submissions import FULL, faulty

from benchmark.cases.case import Case
from benchmark.cases.job import Job, run_job
from benchmark.errors import CannotRun, InputError, MeasurementError
from benchmark.inputs.settings import GatedSettings
from benchmark.inputs.workload_entry import load_workload
from benchmark.report.board.rows import read_entries
from benchmark.report.ladder import ladders
from benchmark.results.comparable import GIVEN, not_a_full_run
from benchmark.results.identity import configuration_of
from benchmark.results.recompute import recompute
from benchmark.results.row import Row
from benchmark.results.store import Store, sha256
from benchmark.trace.record import GivenTrace, Trace


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A full case, decoded and, in another folder, given back from the tokens beside its row."""
    folder = tmp_path_factory.mktemp("given")
    job = fresh_job(folder, **FULL)
    run(job, folder / "decoded")
    run(giving(job, path_of(job, Store(folder / "decoded")).with_suffix(".parquet")), folder / "given")
    return folder


def run(job: Job, results: Path) -> Row:
    store = Store(results)
    row = run_job(job, store)
    store.update(path_of(job, store), lambda row: row.model_copy(update=CLEAN))
    store.write_table()
    return row


def giving(job: Job, texts: Path) -> Job:
    return replace(job, capture=replace(job.capture, texts=texts))


def only(results: Path) -> tuple[Path, Row]:
    (path,) = results.rglob("*.json")
    return path, read_row(path)


def test_decoded_texts_that_are_given_back_have_the_columns_they_had(folder: Path):
    (_, decoded), (_, given) = only(folder / "decoded"), only(folder / "given")
    assert (decoded.capture, given.capture) == ("decoded", "given")
    assert given.not_argmax_share == 0 and decoded.not_argmax_share is None
    assert (given.tokens, given.exit_layer_mean, given.agreement) == (
        decoded.tokens,
        decoded.exit_layer_mean,
        decoded.agreement,
    )
    assert given.experiments == decoded.experiments
    assert given.speedup_speculation is None and decoded.speedup_speculation is not None
    assert given.configuration != decoded.configuration


def test_a_row_of_decoded_texts_is_named_as_before(folder: Path):
    """Columns of given texts are hashed of given texts only, so rows that lack them keep their names."""
    path, _ = only(folder / "decoded")
    columns = json.loads(path.read_text())
    bare = {name: value for name, value in columns.items() if name not in ("capture", "texts_sha256")}
    assert configuration_of(bare) == configuration_of(columns) == columns["configuration"]
    assert Row.model_validate(bare).capture == "decoded"


def test_the_check_finds_nothing_and_recomputing_changes_nothing(folder: Path):
    path, before = only(folder / "given")
    assert faulty(folder / "given", folder / "models.yaml") == set()
    assert list(recompute(folder / "given")) == [path]
    assert read_row(path) == before
    assert "capture" in (folder / "given" / "table.csv").read_text().partition("\n")[0]


def test_a_second_run_reads_the_row(folder: Path):
    tokens = path_of(fresh_job(folder, **FULL), Store(folder / "decoded")).with_suffix(".parquet")
    path, before = only(folder / "given")
    job = giving(fresh_job(folder, **FULL), tokens)
    assert run_job(job, Store(folder / "given")).started == before.started
    assert isinstance(Case(path, before).trace, GivenTrace)


def test_it_is_not_ranked(folder: Path):
    _, row = only(folder / "given")
    assert not_a_full_run(row) == GIVEN
    assert ladders([row]) == []
    with pytest.raises(InputError, match="1 of given texts, not the model's own"):
        read_entries(folder / "given", limited=True)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("capture", "decoded"),
        ("texts_sha256", None),
        ("not_argmax_share", 0.5),
        ("not_argmax_share", None),
        ("scorer", "chrf"),
    ],
)
def test_a_row_that_says_otherwise_is_found(folder: Path, tmp_path: Path, column: str, value: object):
    shutil.copytree(folder / "given", tmp_path / "given")
    path, _ = only(tmp_path / "given")
    path.write_text(json.dumps(json.loads(path.read_text()) | {column: value}))
    assert column in faulty(tmp_path / "given")


def test_given_tokens_that_were_exchanged_are_found(folder: Path, tmp_path: Path):
    shutil.copytree(folder / "given", tmp_path / "given")
    path, _ = only(tmp_path / "given")
    tokens = path.with_suffix(".parquet")
    trace = Trace.read_parquet(tokens)
    assert isinstance(trace, GivenTrace)
    replace(trace, given=np.roll(trace.given, 1)).write_parquet(tokens)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"token_records_sha256": sha256(tokens)}))
    assert "not_argmax_share" in faulty(tmp_path / "given")


def test_texts_of_another_engine(folder: Path, tmp_path: Path):
    """As a letter tells; more than `max_new_tokens` of a text is not looked at."""
    job = fresh_job(folder, limit=2, max_new_tokens=6)
    texts = tmp_path / "texts.jsonl"
    lines = [{"index": 0, "text": "Guten Tag"}, {"index": 1, "text": "Na"}, {"index": 2, "text": "not taken"}]
    texts.write_text("".join(json.dumps(line) + "\n" for line in lines))
    row = run(giving(job, texts), tmp_path / "results")
    assert (row.tokens, row.prompts, row.not_argmax_share is not None) == (8, 2, True)
    trace = Case(*only(tmp_path / "results")).trace
    assert ["".join(trace.text[trace.prompt == number]) for number in (0, 1)] == ["Guten ", "Na"]
    other = texts.with_name("others.jsonl")
    other.write_text(texts.read_text().replace("Na", "No"))
    assert path_of(giving(job, other), Store(tmp_path)).name != path_of(giving(job, texts), Store(tmp_path)).name


def corpus(folder: Path, records: list[object], fields: str = "continuation: text") -> Path:
    (folder / "prose.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    (folder / "prose.yaml").write_text(
        "name: prose\ndescription: passages\nsource: {file: prose.jsonl}\nkind: text\nlicence: none\n"
        f"prompts: {len(records)}\nmax_new_tokens: 50\n{fields}\n"
    )
    return folder / "prose.yaml"


class TestCorpora:
    """Workloads of the kind `text`."""

    def job(self, folder: Path, *corpus_of: object, kind: str = "dense", name: str = "tiny", **more: object) -> Job:
        job = fresh_job(folder, kind, name, max_new_tokens=None, **more)
        return replace(job, workload=load_workload(corpus(*corpus_of)))

    def test_passages_begin_with_a_token_that_nothing_predicts(self, folder: Path, tmp_path: Path):
        job = self.job(folder, tmp_path, [{"text": "It was late."}, {"text": "So it was."}])
        row = run(job, tmp_path / "results")
        assert (row.capture, row.workload_kind, row.prompts, row.tokens) == ("given", "text", 2, 11 + 9)
        trace = Case(*only(tmp_path / "results")).trace
        assert "".join(trace.text[trace.prompt == 0]) == "t was late."

    @pytest.mark.parametrize("kind", ["ssm", "encoder-decoder"])
    def test_prompts_and_continuations(self, folder: Path, tmp_path: Path, kind: str):
        records = [{"q": "It was", "a": " late."}, {"q": "So", "a": [9, 10, 11]}]
        job = self.job(folder, tmp_path, records, "field: q\ncontinuation: a", kind=kind, name=kind)
        row = run(job, tmp_path / "results")
        assert row.tokens == 6 + 3
        assert faulty(tmp_path / "results") == {"workload"}  # which is nobody's but this test's

    def test_encoders_continue_nothing(self, folder: Path, tmp_path: Path):
        job = self.job(folder, tmp_path, [{"text": "It was late."}], kind="encoder", name="encoder")
        with pytest.raises(CannotRun, match="masked tokens are for encoder models"):
            run_job(job, Store(tmp_path / "results"))

    def test_nothing_is_decoded_behind_them(self, folder: Path, tmp_path: Path):
        job = self.job(folder, tmp_path, [{"text": "It was late."}], gated=GatedSettings("static", 1))
        with pytest.raises(MeasurementError, match="the texts are given, so nothing is decoded"):
            run_job(job, Store(tmp_path / "results"))

    @pytest.mark.parametrize(
        ("record", "error", "line"),
        [
            ({"text": ""}, InputError, "prose.yaml: continuation: record 1: the text is empty"),
            ({"body": "x"}, InputError, "prose.yaml: continuation: record 1 has no 'text'; its fields: body"),
            ({"text": 7}, InputError, "prose.yaml: continuation: record 1: the text must be a text, not 7"),
            ({"text": "x"}, MeasurementError, "prompt prose/0: its text is one token, which nothing predicts"),
            ({"text": "naïve"}, MeasurementError, "prompt prose/0: its text, 'naïve', does not come back"),
        ],
    )
    def test_what_cannot_be_used_is_one_line(
        self, folder: Path, tmp_path: Path, record: object, error: type[Exception], line: str
    ):
        with pytest.raises(error) as raised:
            run_job(self.job(folder, tmp_path, [record]), Store(tmp_path / "results"))
        assert line in str(raised.value) and "\n" not in str(raised.value)

    @pytest.mark.parametrize(
        ("fields", "line"),
        [
            ("field: text", "the kind 'text' needs a 'continuation'"),
            ("continuation: text\nstop: [x]", "the kind 'text' has no answer"),
            ("continuation: text\ntarget: x\nscorer: bleu", "the kind 'text' has no answer"),
        ],
    )
    def test_an_entry_that_asks_for_more_is_refused(self, tmp_path: Path, fields: str, line: str):
        with pytest.raises(InputError, match=line):
            load_workload(corpus(tmp_path, [{"text": "x"}], fields))
