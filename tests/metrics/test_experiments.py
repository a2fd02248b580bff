"""The experiments: a file of `suites/` each, and together every result of a row."""

import ast
import json
from pathlib import Path

import pytest
from every_column import costs_of
from hypothesis import given
from strategies import row_of, trace_of, traces

from benchmark.errors import InputError, MeasurementError
from benchmark.metrics.column_types import Columns, declared
from benchmark.metrics.experiments import score
from benchmark.metrics.experiments.studies import RECORDED, SHIPPED, recorded
from benchmark.metrics.scoring import TAU, Scoring
from benchmark.results.row import Row
from benchmark.results.row.frame import ClockMeasured, Cost, GatedMeasured, Identity, Measured, Provenance, Setting
from benchmark.trace.record import Trace

SUITES = Path(__file__).parents[2] / "suites"
FRAME = (Identity, Setting, Measured, GatedMeasured, ClockMeasured, Cost, Provenance)


def test_each_is_the_test_of_a_file_of_its_name():
    files = {path.stem.removeprefix("test_"): ast.parse(path.read_text()) for path in SUITES.glob("test_*.py")}
    assert files.keys() == {experiment.name for experiment in SHIPPED}
    for name, module in files.items():
        tests = [node for node in module.body if isinstance(node, ast.FunctionDef)]
        assert [test.name for test in tests] == [f"test_{name}"]
        assert ast.get_docstring(module) and ast.get_docstring(tests[0])


def test_no_column_is_declared_twice():
    """What two studies have alike is declared once, in a base of the columns of both."""
    groups = {part for columns in (*FRAME, *(each.columns for each in SHIPPED)) for part in columns.__mro__}
    names = [
        name for part in groups if issubclass(part, Columns) and part is not Columns for name in part.__annotations__
    ]
    names = [name for name in names if name not in ("model_config",)]
    assert sorted(names) == sorted(Row.model_fields)


@pytest.mark.parametrize("study", RECORDED)
def test_a_row_has_the_columns_of_its_study_and_no_others(study: str):
    others = {name for other in RECORDED.values() for name in other.columns} - RECORDED[study].columns
    written = json.loads(row_of(suite=study).as_json())
    assert RECORDED[study].columns <= written.keys()
    assert not others & written.keys()


def test_a_study_that_nobody_knows_is_read_as_one_of_the_oracle():
    assert recorded("of tomorrow") is RECORDED["oracle"]


def test_every_column_has_a_docstring():
    assert [name for name, field in Row.model_fields.items() if not field.description and name not in UNEXPLAINED] == []


UNEXPLAINED = {"torch_version", "transformers_version", "python_version"}


@given(trace=traces())
def test_together_they_fill_every_result_of_a_row_whatever_the_trace(trace: Trace):
    """So that what is computed again leaves nothing of what was there before."""
    columns = score(trace, Scoring(), costs_of(trace.num_layers))
    assert set(columns) == RECORDED["oracle"].columns


def test_together_the_studies_fill_every_result_of_a_row():
    results = {name for study in RECORDED.values() for name in study.columns}
    assert results == set(Row.model_fields) - {name for part in FRAME for name in part.model_fields}


def test_headline_columns_have_titles():
    for name, column in declared(Row).items():
        assert column.title or not column.headline, name


def test_a_trace_without_tokens_is_refused():
    with pytest.raises(MeasurementError, match="no token was generated, so there is nothing to average"):
        score(
            trace_of([[1]], prompt=[0]).__class__(
                **{name: array[:0] for name, array in vars(trace_of([[1, 2]])).items()}
            ),
            Scoring(),
            None,
        )


class TestScoring:
    """Settings are held against their ranges."""

    def test_thresholds_are_a_grid_from_zero_to_one(self):
        assert list(TAU) == sorted(set(TAU))
        assert (TAU[0], TAU[-1]) == (0.0, 1.0)
        assert TAU[1] == pytest.approx(0.05)

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"alpha": 1.5}, "alpha: must be a number between 0 and 1, not 1.5"),
            ({"alpha": float("nan")}, "alpha: must be a number between 0 and 1, not nan"),
            ({"tau": ()}, "tau: must be 1 to 1000 thresholds, not 0"),
            ({"tau": (0.5, 2.0)}, "tau: must be numbers between -1 and 1, not 2.0"),
        ],
        ids=str,
    )
    def test_others_are_refused_in_one_line(self, settings, message):
        with pytest.raises(InputError) as error:
            Scoring(**settings)
        assert str(error.value) == message
