"""Prompts are shown of rows that have seen them, and of no others."""

import pytest
from strategies import row_of

from benchmark.inputs.catalog import WORKLOAD_FOLDER
from benchmark.inputs.prompt import prompts_sha256
from benchmark.inputs.prompts import read_prompts
from benchmark.inputs.workload_entry import load_workload
from benchmark.report.leaderboard.questions import NOT_SHIPPED, OTHER_PROMPTS, Question, Questions


class Nowhere:
    download = False


PROMPTS = read_prompts(load_workload(WORKLOAD_FOLDER / "chat.yaml"), 16, Nowhere())  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [16, 3])
def test_a_prompt_of_a_workload_that_ships(count: int):
    row = row_of(workload="chat", prompts=count, prompts_sha256=prompts_sha256(PROMPTS[:count]))
    assert Questions().of(row, 2) == Question(PROMPTS[2].text)


def test_of_other_prompts_none_is_shown():
    row = row_of(workload="chat", prompts=16, prompts_sha256="0" * 64)
    assert Questions().of(row, 0) == Question(missing=OTHER_PROMPTS)


def test_of_a_workload_from_elsewhere_none_is_shown():
    assert Questions().of(row_of(workload="mine"), 0) == Question(missing=NOT_SHIPPED)
