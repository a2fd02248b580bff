"""The direction of the rooms (docs/design.md): a contract that CI checks, and that a wrong import breaks."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "benchmark"
ROOMS = sorted(path.parent for path in PACKAGE.rglob("__init__.py") if path.parent != PACKAGE)
# What must be there without a model, and so without seconds of imports.
WITHOUT_TORCH = ("errors", "messages", "trace", "metrics", "inputs", "results", "report")


def broken(folder: Path) -> list[str]:
    """The contracts that the package in a folder breaks."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()"]
    ended = subprocess.run([*command, "--no-cache"], cwd=folder, capture_output=True, text=True)
    assert "contracts" in ended.stdout.lower(), ended.stdout + ended.stderr
    names = re.findall(r"^(.*) BROKEN", ended.stdout, re.MULTILINE)
    assert ended.returncode == bool(names), ended.stdout
    return names


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with a copy of the package, and its contracts."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, tmp_path / "benchmark", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_contracts_hold(copy: Path):
    assert broken(copy) == []


@pytest.mark.parametrize(
    ("module", "imported", "contract"),
    [
        ("models/hub.py", "benchmark.decoding.engines.generate", "The wing of models: a room imports those below it"),
        ("trace/record.py", "benchmark.metrics.exits", "The wing of rows: a room imports those below it"),
        ("readout/reader.py", "benchmark.metrics.exits", "Only cases joins the wings"),
        ("metrics/eas.py", "torch", "The wing of rows, and what is asked, need no model and no torch"),
        ("inputs/fields.py", "transformers", "The wing of rows, and what is asked, need no model and no torch"),
        (
            "report/board/lines.py",
            "benchmark.report.pictures.chart",
            "Within report: files, the sentence, pictures, then the board and the findings",
        ),
        ("cases/job.py", "pytest", "Only interface knows pytest and argparse"),
        ("cases/job.py", "benchmark.tools.tiny_models", "The tools are a shed: nothing is built on them"),
        ("cases/job.py", "examples.zoo.entries", "Examples use the package, and it does not know them"),
        ("interface/api.py", "benchmark.suites.test_exits", "Suites are used by nobody"),
        ("metrics/exits.py", "benchmark.metrics.eas as one", "No circles, in no room"),
    ],
)
def test_an_import_against_the_direction_breaks_its_contract(copy: Path, module: str, imported: str, contract: str):
    with (copy / "benchmark" / module).open("a") as file:
        file.write(f"\n\ndef planted() -> None:\n    import {imported}\n")
    if "circle" in contract.lower():
        with (copy / "benchmark" / "metrics" / "eas.py").open("a") as file:
            file.write("\n\ndef planted() -> None:\n    import benchmark.metrics.exits\n")
    assert contract in broken(copy)


@pytest.mark.parametrize("room", ROOMS, ids=[str(room.relative_to(PACKAGE)) for room in ROOMS])
def test_a_room_has_at_most_twelve_modules_and_says_what_it_is(room: Path):
    modules = [path for path in room.glob("*.py") if not path.name.startswith("__")]
    packages = list(room.glob("*/__init__.py"))
    assert len(modules) + len(packages) <= 12
    assert (room / "__init__.py").read_text(encoding="utf-8").startswith('"""')


def test_half_of_the_rooms_import_without_torch():
    code = f"""
import importlib, pathlib, sys

class Hidden:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "transformers", "pytest"):
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Hidden)
for room in {WITHOUT_TORCH!r}:
    for file in (pathlib.Path("benchmark", f"{{room}}.py"), *pathlib.Path("benchmark", room).rglob("*.py")):
        if file.exists():
            importlib.import_module(".".join(file.with_suffix("").parts).removesuffix(".__init__"))
print("imported")
"""
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ended.stdout == "imported\n", ended.stderr
