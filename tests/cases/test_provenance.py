"""What a row says about how it came about."""

import platform
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
import transformers

from benchmark.cases import provenance as module
from benchmark.cases.provenance import provenance
from benchmark.results.row import Row

CPU = torch.device("cpu")


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=tester", "-c", "user.email=tester@localhost"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that takes the place of the checkout this package runs from, with one file in `benchmark/cases`."""
    (tmp_path / "benchmark" / "cases").mkdir(parents=True)
    (tmp_path / "benchmark" / "cases" / "provenance.py").write_text("one = 1\n")
    monkeypatch.setattr(module, "__file__", str(tmp_path / "benchmark" / "cases" / "provenance.py"))
    module._checkout.cache_clear()
    yield tmp_path
    module._checkout.cache_clear()


@pytest.fixture
def committed(checkout: Path) -> Path:
    git(checkout, "init", "-q")
    git(checkout, "add", ".")
    git(checkout, "commit", "-q", "-m", "one")
    return checkout


def test_versions_are_those_that_run():
    columns = provenance(CPU)
    assert columns["torch_version"] == torch.__version__
    assert columns["transformers_version"] == transformers.__version__
    assert columns["python_version"] == platform.python_version()
    assert columns["harness_version"] == version("exitbench")


def test_every_column_is_one_of_the_row():
    assert provenance(CPU).keys() <= Row.model_fields.keys()


def test_a_clean_checkout_is_its_commit(committed):
    columns = provenance(CPU)
    assert columns["harness_commit"] == git(committed, "rev-parse", "HEAD")
    assert columns["harness_dirty"] is False


def test_a_changed_file_makes_the_checkout_dirty(committed):
    (committed / "benchmark" / "cases" / "provenance.py").write_text("two = 2\n")
    assert provenance(CPU)["harness_dirty"] is True


def test_results_beside_the_code_do_not_make_it_dirty(committed):
    (committed / "results").mkdir()
    (committed / "results" / "row.json").write_text("{}")
    assert provenance(CPU)["harness_dirty"] is False


def test_outside_a_checkout_there_is_no_commit(checkout):
    columns = provenance(CPU)
    assert columns["harness_commit"] is None
    assert columns["harness_dirty"] is None


def test_a_checkout_without_a_commit_has_none(checkout):
    git(checkout, "init", "-q")
    assert provenance(CPU)["harness_commit"] is None
