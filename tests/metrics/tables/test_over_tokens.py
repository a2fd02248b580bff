"""Columns as statistics of means over tokens: over all tokens they give the columns of the row."""

from pathlib import Path

import numpy as np
import pytest

from benchmark.metrics.statistics.bootstrap import OverTokens
from benchmark.metrics.tables.over_tokens import over_tokens
from benchmark.results.row import Row
from benchmark.results.store import read_trace
from benchmark.results.versions import inventory
from benchmark.trace.costs import costs_of_columns

PUBLISHED = Path(__file__).parents[3] / "results" / "published" / "SmolLM2-135M-Instruct" / "question_answering"


@pytest.fixture(scope="module")
def published() -> tuple[Row, dict[str, OverTokens]]:
    """A published row, which has every gate, and its numbers."""
    (found,) = [one for one in inventory(PUBLISHED) if one.row.suite == "oracle"]
    row = found.row
    return row, over_tokens(read_trace(found.path, row), row.scoring, costs_of_columns(row.model_dump()))


def test_the_statistic_of_all_tokens_is_the_column(published):
    row, numbers = published
    found = {name: float(one.statistic(_mean(one)[None])[0]) for name, one in numbers.items()}
    assert found == pytest.approx({name: getattr(row, name) for name in found}, rel=1e-6)
    assert {"skip_ratio", "eas", "speedup_bound_kv", "gate_speed_99", "speedup_speculation", "score"} <= found.keys()


def test_without_costs_there_are_no_bytes(published):
    row, _ = published
    (found,) = [one for one in inventory(PUBLISHED) if one.row.suite == "oracle"]
    names = over_tokens(read_trace(found.path, row), row.scoring, None).keys()
    assert names == {"skip_ratio", "skip_ratio_settled", "eas", "speedup_bound_layers", "score"}


def _mean(one: OverTokens) -> np.ndarray:
    return np.asarray(one.values, np.float64).reshape(len(one.prompt), -1).mean(axis=0)
