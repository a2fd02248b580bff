"""Columns computed again from stored tokens, without a model."""

import csv
import json
from pathlib import Path

import pytest
from every_column import costs_of
from folders import Content, read_row
from strategies import row_of, trace_of

from benchmark.errors import InputError
from benchmark.interface.cli import main
from benchmark.metrics.experiments import EXPERIMENTS, score
from benchmark.metrics.experiments import words as words_module
from benchmark.metrics.scoring import TAU
from benchmark.results.recompute import recompute
from benchmark.results.row import Row
from benchmark.results.store import Store
from benchmark.results.table import read_rows
from benchmark.trace.costs import cost_columns

TRACES = {
    "tiny": trace_of([[7, 7, 7], [1, 7, 7], [8, 2, 8], [3, 4, 7]], prompt=[0, 0, 1, 1], half_matches=[[1, 0, 1]] * 4),
    "other": trace_of([[1, 2], [2, 2]], sampled=[True, False]),
}


NAMES = [experiment.name for experiment in EXPERIMENTS]


def write(folder: Path, model: str, experiments: list[str], **settings: object) -> Path:
    """A case with some of its experiments done."""
    trace, store = TRACES[model], Store(folder)
    path = store.path(model, "chat", "oracle", "0123abcd")
    plain = {
        "tau": list(TAU),
        "tokens": trace.num_tokens,
        "num_layers": trace.num_layers,
        **cost_columns(costs_of(trace.num_layers)),
        "vocab_size": 4,
        "parameters": 1000,
        "active_parameters": 900,
    }
    row = row_of(model=model, **plain | settings)
    some = [experiment for experiment in EXPERIMENTS if experiment.name in experiments]
    if some:
        columns = score(trace, row.scoring, costs_of(trace.num_layers), some)
        row = Row(**row.model_dump() | columns | {"experiments": sorted(experiments)})
    store.write(path, row, trace)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "results"


@pytest.mark.parametrize("settings", [{}, {"alpha": 0.25, "seed": 3}, {"tau": [0.1, 0.9]}], ids=str)
def test_rows_come_out_as_they_were(folder, settings):
    paths = [write(folder, model, NAMES, **settings) for model in TRACES]
    before = [path.read_bytes() for path in paths]
    assert sorted(recompute(folder)) == sorted(paths)
    assert [path.read_bytes() for path in paths] == before


def test_experiments_that_were_missing_are_added(folder):
    path, complete = write(folder, "tiny", ["words"]), write(folder / "complete", "tiny", NAMES)
    list(recompute(folder))
    assert read_row(path) == read_row(complete)


def test_a_number_that_is_no_longer_right_is_replaced(folder):
    path = write(folder, "tiny", NAMES)
    right = read_row(path)
    path.write_text(json.dumps(right.model_dump() | {"skip_ratio": 0.99}))
    list(recompute(folder))
    assert read_row(path) == right


def test_the_tokens_are_left_as_they_are(folder):
    tokens = write(folder, "tiny", ["exits"]).with_suffix(".parquet")
    before = tokens.read_bytes(), tokens.stat().st_mtime_ns
    list(recompute(folder))
    assert (tokens.read_bytes(), tokens.stat().st_mtime_ns) == before


def test_the_table_is_brought_up_to_date(folder):
    write(folder, "tiny", ["words"])
    list(recompute(folder))
    with (folder / "table.csv").open(encoding="utf-8") as file:
        (line,) = csv.DictReader(file)
    assert float(line["skip_ratio"]) == next(read_rows(folder)).skip_ratio


def test_failed_rows_stay_as_they_are(folder):
    write(folder, "tiny", ["exits"])
    path = folder / "broken" / "chat" / "oracle-0123abcd.json"
    Store(folder).write(path, row_of(model="broken", status="failed", error="NaN"), None)
    before = path.read_bytes()
    assert path not in list(recompute(folder))
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda tokens: tokens.unlink(), "No such file or directory; measure the case again"),
        (lambda tokens: tokens.write_bytes(tokens.read_bytes()[:-9]), "are not the tokens that oracle-0123abcd.json"),
        (lambda tokens: tokens.write_bytes(b""), "are not the tokens that oracle-0123abcd.json"),
        (lambda tokens: TRACES["other"].write_parquet(tokens), "are not the tokens that oracle-0123abcd.json"),
    ],
    ids=["missing", "cut", "empty", "others"],
)
def test_tokens_that_are_not_those_of_the_row_are_one_line_that_names_the_file(folder, damage, message):
    path = write(folder, "tiny", ["exits"])
    before = path.read_bytes()
    damage(path.with_suffix(".parquet"))
    with pytest.raises(InputError) as error:
        list(recompute(folder))
    assert str(error.value).startswith(f"{path.with_suffix('.parquet')}: ")
    assert message in str(error.value) and "\n" not in str(error.value)
    assert path.read_bytes() == before


def test_tokens_that_were_no_trace_from_the_beginning_are_one_line(folder):
    path = write(folder, "tiny", ["exits"])
    Store(folder).write(path, read_row(path), Content(b"PAR1 but nothing else PAR1"))
    with pytest.raises(InputError, match="cannot be read as the tokens of a case") as error:
        list(recompute(folder))
    assert "\n" not in str(error.value)


def test_tokens_whose_last_layer_does_not_match_are_one_line_and_the_row_stays(folder):
    path = write(folder, "tiny", ["exits"])
    impossible = trace_of([[7, 7], [1, 7]], target=[7, 8], matches=[[True, True], [False, False]])
    Store(folder).write(path, read_row(path), impossible)
    before = path.read_bytes()
    with pytest.raises(InputError) as error:
        list(recompute(folder))
    assert str(error.value) == (
        f"{path.with_suffix('.parquet')}: the last layer must have the full model's token at every position, and has "
        "another one at 1 of 2; measure the case again"
    )
    assert path.read_bytes() == before


def test_a_setting_that_cannot_be_is_one_line_and_the_row_stays(folder):
    path = write(folder, "tiny", [], alpha=7)
    before = path.read_bytes()
    with pytest.raises(InputError) as error:
        list(recompute(folder))
    assert (
        str(error.value)
        == f"{path}: alpha: must be a number between 0 and 1, not 7.0; see: exitbench check {path.parent}"
    )
    assert path.read_bytes() == before


def test_a_row_measured_anew_meanwhile_stays(folder, monkeypatch):
    path = write(folder, "tiny", ["exits"])
    first_match = words_module.first_match

    def measured_meanwhile(matches):
        Store(folder).write(path, row_of(model="tiny", seed=9), TRACES["other"])
        return first_match(matches)

    monkeypatch.setattr(words_module, "first_match", measured_meanwhile)
    list(recompute(folder))
    assert (read_row(path).seed, read_row(path).experiments) == (9, [])


def test_rows_of_an_older_version_are_refused_in_one_line(folder):
    path = write(folder, "tiny", ["exits"])
    path.write_text(json.dumps(read_row(path).model_dump() | {"schema_version": 1}))
    with pytest.raises(InputError, match=r"its rows are of an older version \(1\); measure the cases again$"):
        list(recompute(folder))


def test_rows_of_an_older_version_among_others_are_told_of(folder, capsys):
    write(folder, "tiny", ["exits"])
    path = write(folder, "other", ["exits"])
    path.write_text(json.dumps(read_row(path).model_dump() | {"schema_version": 1}))
    assert main(["recompute", str(folder)]) == 0
    output = capsys.readouterr()
    assert output.out.endswith("rows rewritten: 1\n")
    assert output.err == f"{folder}: JSON files not counted: 1 of an older version (measure again)\n"


@pytest.mark.parametrize("content", [None, "{}", '{"schema_version": 1}'], ids=["empty", "unrelated", "older"])
def test_a_folder_without_rows_of_this_version_is_refused(folder, content):
    folder.mkdir()
    if content is not None:
        (folder / "row.json").write_text(content)
    with pytest.raises(InputError, match="there are no rows here"):
        list(recompute(folder))


class TestOtherScoring:
    """Stored traces are scored with other settings, and no model is loaded."""

    def test_rows_are_as_if_they_had_been_measured_with_them(self, folder):
        path = write(folder, "tiny", NAMES)
        (other,) = (write(folder / "other", "tiny", NAMES, alpha=0.25, tau=[0.9]),)
        list(recompute(folder.parent / "results", alpha=0.25, tau=[0.9]))
        assert read_row(path) == read_row(other)

    def test_one_setting_leaves_the_other(self, folder):
        path = write(folder, "tiny", NAMES, tau=[0.1, 0.9])
        list(recompute(folder, alpha=0.75))
        assert (read_row(path).alpha, read_row(path).tau) == (0.75, [0.1, 0.9])

    @pytest.mark.parametrize("arguments", [["--alpha", "1.5"], ["--tau", "0.5,7"]])
    def test_one_outside_of_its_range_is_one_line_and_nothing_is_written(self, folder, arguments, capsys):
        path = write(folder, "tiny", NAMES)
        before = path.read_bytes()
        assert main(["recompute", str(folder), *arguments]) == 2
        assert (
            capsys.readouterr()
            .err.splitlines()[-1]
            .startswith(f"exitbench recompute: error: argument {arguments[0]}: must")
        )
        assert path.read_bytes() == before
        with pytest.raises(InputError, match=r"^alpha: must be"):
            list(recompute(folder, alpha=2))
