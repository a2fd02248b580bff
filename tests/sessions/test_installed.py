"""The package as people get it: a wheel in an environment of its own, used in folders that are not the checkout."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("benchmark", "suites", "models.yaml", "pyproject.toml", "README.md", "LICENSE")
CASE = ("SmolLM2-135M-Instruct", "--workload", "math", "--limit", "2", "--max-new-tokens", "4", "--study", "oracle")
Ended = subprocess.CompletedProcess[str]
Run = Callable[..., Ended]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the checkout, in which no earlier build has left anything."""
    folder = tmp_path_factory.mktemp("build")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder)
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet")
    _pip("wheel", *offline, "--wheel-dir", folder / "wheels", folder)
    (built,) = (folder / "wheels").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def run(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run a program of an environment that has the wheel, and sees the dependencies but not the checkout."""
    environment = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    programs = environment / "bin"
    _pip("--python", programs / "python", "install", "--no-deps", "--no-index", "--quiet", wheel)
    paths = {"base": str(environment), "platbase": str(environment)}
    # A path that is added this way has its own .pth files left alone, and with them the link to the checkout.
    packages = Path(sysconfig.get_path("purelib", vars=paths))
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def start(folder: Path, program: str, *arguments: str | Path) -> Ended:
        unwanted = ("PYTEST_", "PYTHONPATH", "VIRTUAL_ENV")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
        return subprocess.run(
            [programs / program, *arguments],
            cwd=folder,
            env={**kept, "COLUMNS": "160", "OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )

    return start


@pytest.fixture(scope="module")
def measured(run: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    """A folder that was empty, and the run in it that measured a case."""
    folder = tmp_path_factory.mktemp("folder")
    return folder, run(folder, "exitbench", "run", *CASE)


def _pip(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_wheel_has_suites_and_models_as_files(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        packed = {name: archive.read(name) for name in archive.namelist() if name.startswith("benchmark/suites/")}
        packed["benchmark/models.yaml"] = archive.read("benchmark/models.yaml")
    suites = {f"benchmark/suites/{path.name}": path.read_bytes() for path in (ROOT / "suites").glob("*.py")}
    assert packed == suites | {"benchmark/models.yaml": (ROOT / "models.yaml").read_bytes()}


def test_the_package_is_that_of_the_wheel(run: Run, tmp_path: Path):
    code = "import benchmark; print(benchmark.__file__)"
    ended = run(tmp_path, "python", "-c", code)
    assert ended.returncode == 0 and not Path(ended.stdout.strip()).is_relative_to(ROOT), ended.stdout


def test_run_measures_in_an_empty_folder(measured: tuple[Path, Ended]):
    folder, ended = measured
    assert ended.returncode == 0, ended.stdout
    assert " 9 passed, 4 deselected in " in ended.stdout and "warning" not in ended.stdout
    files = sorted(path.relative_to(folder).parts for path in folder.rglob("*") if path.is_file())
    assert [(*parts[:-1], parts[-1].partition(".")[2]) for parts in files] == [
        ("results", "local", "SmolLM2-135M-Instruct", "math", "json"),
        ("results", "local", "SmolLM2-135M-Instruct", "math", "parquet"),
        ("results", "local", "csv"),
    ]


def test_a_mistyped_option_of_run_has_a_near_one_whatever_lies_in_the_folder(run: Run, tmp_path: Path):
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    (tmp_path / "conftest.py").write_text("raise RuntimeError('of somebody else')\n")
    ended = run(tmp_path, "exitbench", "run", "SmolLM2-135M-Instruct", "--limmit", "2")
    assert ended.returncode == pytest.ExitCode.USAGE_ERROR, ended.stdout
    assert "unrecognized arguments: --limmit 2\n" in ended.stdout
    assert ended.stdout.endswith("exitbench: near to --limmit: --limit\n")


def test_plan(run: Run, tmp_path: Path):
    ended = run(tmp_path, "exitbench", "plan", "--model", "SmolLM2-135M-Instruct")
    assert ended.returncode == 0, ended.stdout
    assert "models that can run here: 1 of 1" in ended.stdout


def test_leaderboard(run: Run, measured: tuple[Path, Ended]):
    folder, _ = measured
    ended = run(folder, "exitbench", "leaderboard", "results/local", "--limited", "--output", folder / "page")
    assert ended.returncode == 0, ended.stdout
    assert "SmolLM2-135M-Instruct" in (folder / "page" / "index.html").read_text(encoding="utf-8")


def test_suites_by_their_name_and_a_test_of_ones_own_read_what_is_measured(
    run: Run, measured: tuple[Path, Ended], tmp_path: Path
):
    folder, _ = measured
    test = "def test_mine(case):\n    assert case.row.prompts == 2 and case.trace.num_layers == case.row.num_layers\n"
    (tmp_path / "test_mine.py").write_text(test)
    command = ("-m", "pytest", "-p", "no:cacheprovider", "--import-mode=importlib", "--pyargs", "benchmark.suites")
    results = ("--results-dir", folder / "results" / "local")
    ended = run(tmp_path, "python", *command, "test_mine.py", "--model", *CASE, *results)
    assert ended.returncode == 0, ended.stdout
    assert "1 passed, 9 skipped" in ended.stdout and "loading" not in ended.stdout


def test_a_session_that_does_not_measure_does_not_notice(run: Run, tmp_path: Path):
    (tmp_path / "models.yaml").write_text("models: [{this is: broken\n")
    (tmp_path / "test_theirs.py").write_text("def test_theirs():\n    assert True\n")
    plain = ("-m", "pytest", "-v", "-p", "no:cacheprovider")
    outputs = []
    for options in ((), ("-p", "no:exitbench")):
        ended = run(tmp_path, "python", *plain, *options)
        assert ended.returncode == 0, ended.stdout
        # What pytest has loaded and how long it took may differ.
        lines = [line for line in ended.stdout.splitlines() if not line.startswith(("plugins: ", "===="))]
        outputs.append(lines)
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize("command", ["schema", "architectures"])
def test_what_belongs_to_the_checkout_is_refused(command: str, run: Run, tmp_path: Path):
    ended = run(tmp_path, "exitbench", command)
    assert ended.returncode == 1
    (line,) = ended.stdout.splitlines()
    assert line.startswith("exitbench: ") and line.endswith("run the command of a checkout")
