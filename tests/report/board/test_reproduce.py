"""What measures a line again: the options that were not the default, and no others."""

import shlex
from pathlib import Path
from typing import Any

from strategies import row_of

from benchmark.inputs.catalog import WORKLOAD_FOLDER
from benchmark.inputs.workload_entry import load_workload
from benchmark.report.board.ranking import arrange
from benchmark.report.board.reproduce import commands
from benchmark.report.board.rows import Entry
from benchmark.results.row import Row

CHAT = load_workload(WORKLOAD_FOLDER / "chat.yaml").max_new_tokens
USUAL: dict[str, Any] = {
    "source": "package:x==1", "device": "cpu", "dtype_asked": "auto", "batch_size_asked": 16, "max_new_tokens": CHAT,
    "top_k": 10, "sample_asked": 48, "signals_asked": "sample",
}  # fmt: skip


def asked(*rows: Row) -> list[str]:
    (found,) = commands(arrange([Entry(Path(str(n)), row) for n, row in enumerate(rows)]).lines)
    return found.splitlines()


def row(**columns: Any) -> Row:
    return row_of(**(USUAL | columns))


def test_defaults_are_not_repeated():
    assert asked(row()) == ["pytest suites/ --study oracle --model tiny --workload chat --device cpu"]


def test_what_was_asked_otherwise_is():
    (command,) = asked(row(signals_asked="all", sample_asked=None, max_new_tokens=7, seed=3, source="hub:lab/tiny"))
    options = "--device cpu --max-new-tokens 7 --seed 3 --sample all --signals all --download"
    assert command.endswith(f"--workload chat {options}")


def test_rows_that_were_asked_for_alike_are_one_command():
    same = {"max_new_tokens": load_workload(WORKLOAD_FOLDER / "math.yaml").max_new_tokens}
    first, second = asked(row(), row(workload="math", **same), row(workload="mine", max_new_tokens=5))
    assert first == "pytest suites/ --study oracle --model tiny --workload chat --workload math --device cpu"
    assert second.endswith("--workload mine --device cpu --max-new-tokens 5")


def test_a_name_is_one_word_of_the_shell():
    name = "a b; rm -rf ~ 'c'"
    (command,) = asked(row(model=name))
    assert name in shlex.split(command)


def test_a_limited_run_is_asked_for_as_one():
    (command,) = asked(row(limited=True, prompts=3, prompts_left_out=1))
    assert command.endswith("--limit 4")


def test_a_model_that_is_spread_needs_its_launcher():
    (command,) = asked(row(ranks=2, parallel="tensor"))
    assert command.startswith("torchrun --standalone --nproc-per-node=2 -m pytest suites/ ")
