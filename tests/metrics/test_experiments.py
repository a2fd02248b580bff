"""The experiments: a file of `suites/` each, and together every result of a row."""

import ast
from pathlib import Path

import pytest
from every_column import costs_of
from hypothesis import given
from strategies import row_of, trace_of, traces

from benchmark.metrics.experiments import EXPERIMENTS, TAU, Choices
from benchmark.results.row import Row
from benchmark.trace.costs import cost_columns
from benchmark.trace.record import Trace

SUITES = Path(__file__).parents[2] / "suites"


def columns_of(trace: Trace, tau: tuple[float, ...] = TAU) -> dict[str, dict[str, object]]:
    choices = Choices(alpha=0.5, seed=0, tau=tau, costs=costs_of(trace.num_layers))
    return {name: experiment(trace, choices) for name, experiment in EXPERIMENTS.items()}


def test_each_is_the_test_of_a_file_of_its_name():
    files = {path.stem.removeprefix("test_"): ast.parse(path.read_text()) for path in SUITES.glob("*.py")}
    assert files.keys() == EXPERIMENTS.keys()
    for name, module in files.items():
        tests = [node for node in module.body if isinstance(node, ast.FunctionDef)]
        assert [test.name for test in tests] == [f"test_{name}"]
        assert ast.get_docstring(module) and ast.get_docstring(tests[0])


@given(trace=traces())
def test_no_two_fill_the_same_column(trace: Trace):
    names = [name for columns in columns_of(trace).values() for name in columns]
    assert len(names) == len(set(names))


ALWAYS = {name: set(columns) for name, columns in columns_of(trace_of([[3, 3]])).items()}


@given(trace=traces())
def test_each_fills_the_same_columns_whatever_the_trace(trace: Trace):
    """So that what is computed again leaves nothing of what was there before."""
    assert {name: set(columns) for name, columns in columns_of(trace).items()} == ALWAYS


def test_together_they_fill_every_result_of_a_row():
    """All columns between the setting and what a run cost, in the order in which the row declares them."""
    names = list(Row.model_fields)
    results = set(names[names.index("exit_layer_mean") : names.index("head_bytes")])
    measured_with_the_trace = set(cost_columns(costs_of(2)))
    assert set().union(*ALWAYS.values()) == results - measured_with_the_trace


class TestChoices:
    """What columns depend on besides the trace, taken from a row."""

    def test_those_a_row_was_computed_with(self):
        costs = costs_of(3)
        row = row_of(alpha=0.25, seed=7, tau=[0.5, 0.9], **cost_columns(costs))
        choices = Choices.of_row(row)
        assert (choices.alpha, choices.seed, choices.tau) == (0.25, 7, (0.5, 0.9))
        assert cost_columns(choices.costs) == cost_columns(costs)

    def test_a_row_without_thresholds_and_costs(self):
        choices = Choices.of_row(row_of())
        assert choices.tau == TAU
        assert choices.costs is None


def test_thresholds_are_a_grid_from_zero_to_one():
    assert list(TAU) == sorted(set(TAU))
    assert (TAU[0], TAU[-1]) == (0.0, 1.0)
    assert TAU[1] == pytest.approx(0.05)
