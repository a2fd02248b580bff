"""The pytest plugin: options, fixtures, parametrization, and what a session prints.

A suite is any test that asks for the fixture `case`; it is run once for every selected (model, workload).
"""

from argparse import ArgumentTypeError
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmark.cases.case import Case, Settings
from benchmark.cases.resources import Model, Workload
from benchmark.errors import CannotRun, ExitBenchError, InputError
from benchmark.inputs.catalog import load_workloads
from benchmark.inputs.model_entry import load_models
from benchmark.inputs.selection import select
from benchmark.interface.display import Display, results_table, skipped_lines
from benchmark.metrics.experiments import TAU, Choices, Record
from benchmark.models import hardware
from benchmark.models.hub import Hub
from benchmark.models.locate import Machine
from benchmark.results.store import Store
from benchmark.results.versions import remark
from benchmark.trace.record import Trace
from benchmark.trace.sample import SAMPLE, TOP_K


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the command line of a measurement."""
    group = parser.getgroup("exitbench", "measuring early-exit potential")
    add = group.addoption
    add("--model-file", type=Path, metavar="FILE", help="models to measure (default: models.yaml beside conftest.py)")
    add(
        "--model", action="append", default=[], metavar="NAME", help="only these models; exact name or glob, repeatable"
    )
    add("--workload", action="append", default=[], metavar="NAME", help="only these workloads; likewise")
    add("--limit", type=_positive, metavar="N", help="first N prompts of each workload; rows are marked 'limited'")
    add("--max-new-tokens", type=_positive, metavar="N", help="tokens a prompt (default: the workload's)")
    add("--batch-size", type=_positive, metavar="N", help="prompts decoded together (default: the entry's, else 16)")
    add("--dtype", choices=("float32", "bfloat16", "float16"), help="type of the weights (default: the entry's)")
    add("--device", choices=("auto", "cuda", "cpu"), default="auto", help="auto: CUDA when there, else CPU (default)")
    add("--results-dir", type=Path, metavar="DIR", help="where rows are written (default: results/local)")
    add(
        "--rerun",
        choices=("all", "failed", "missing"),
        help="all: measure finished cases again; failed: only cases that failed before; missing: only cases never "
        "measured (default: whatever is not finished)",
    )
    add("--download", action="store_true", help="fetch models and datasets that are not on this machine")
    add("--trust-remote-code", action="store_true", help="let entries with 'trust_remote_code: true' run their code")
    add("--alpha", type=_fraction, default=0.5, help="weight of similarity against depth in EAS, 0 to 1 (default 0.5)")
    add("--top-k", type=_positive, default=TOP_K, metavar="K", help=f"K of the top-K similarity (default {TOP_K})")
    add("--tau", type=_thresholds, default=TAU, metavar="T,T,…", help="thresholds of the tau-oracle, -1 to 1 each")
    add(
        "--sample",
        type=_sample,
        default=SAMPLE,
        metavar="N|all",
        help="tokens of a case that are looked at with all their logits, for top-K, entropy, divergence, ranks, chance "
        f"and halves of layers (default {SAMPLE})",
    )
    add("--seed", type=int, default=0, help="seed of the intervals, of the sample and of masking (default 0)")


class Session:
    """What one pytest session measures: its models, workloads and settings, and what has come of them so far."""

    def __init__(self, config: pytest.Config) -> None:
        """Read the model file, the workloads and the options.

        Raises:
            InputError: any of them is wrong.
        """
        option = config.getoption
        self.model_file: Path = option("--model-file") or config.rootpath / "models.yaml"
        self.rerun: str | None = option("--rerun")
        self.display = Display(config)
        self.store = Store(option("--results-dir") or config.rootpath / "results" / "local")
        self.cases: dict[tuple[str, str], Case] = {}
        """By the names of model and workload: all experiments of a case share it."""
        self.case_of: dict[str, Case] = {}
        """By the node ids of tests."""
        self.extra_info: dict[Case, dict[str, Any]] = {}
        """What pytest-benchmark tells of the test that measured a case: the headline of all its experiments."""
        machine = Machine(hardware.choose_device(option("--device")), option("--dtype"), option("--trust-remote-code"))
        self.settings = Settings(
            machine=machine,
            limit=option("--limit"),
            max_new_tokens=option("--max-new-tokens"),
            batch_size=option("--batch-size"),
            alpha=option("--alpha"),
            seed=option("--seed"),
            tau=option("--tau"),
            top_k=option("--top-k"),
            sample=option("--sample"),
        )
        hub = Hub(download=option("--download"))
        models = select(load_models(self.model_file), option("--model"), "--model", str(self.model_file))
        workloads = select(load_workloads(), option("--workload"), "--workload", "the workloads")
        self.models = [Model(spec, hub, machine, self.display.announce) for spec in models]
        self.workloads = [Workload(spec, hub, self.settings.limit) for spec in workloads]

    def cannot_run(self) -> dict[str, CannotRun]:
        """Models and workloads that turned out not to be runnable here, by name."""
        found = {model.spec.name: model.source.error or model.loaded.error for model in self.models}
        found |= {workload.spec.name: workload.prompts.error for workload in self.workloads}
        return {name: error for name, error in found.items() if isinstance(error, CannotRun)}


_session = pytest.StashKey[Session]()
_CANNOT_RUN = "cannot run here: "


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Read what is to be measured, before anything is collected; a mistake ends the session with one message."""
    try:
        session.config.stash[_session] = Session(session.config)
    except InputError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_report_header(config: pytest.Config) -> str:
    """Say where the work will happen, most of all when `auto` found no GPU."""
    try:
        device = hardware.choose_device(config.getoption("--device"))
    except InputError as error:
        raise pytest.UsageError(str(error)) from None
    why = " (no CUDA device found)" if config.getoption("--device") == "auto" and device.type == "cpu" else ""
    return f"exitbench: on {device.type}{why}: {hardware.accelerator(device)}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a case of every (model, workload) for each test that asks for one."""
    if "case" not in metafunc.fixturenames:
        return
    session = metafunc.config.stash[_session]
    # Of module scope, so that pytest brings together all cases of a model in a file of `suites/`. The first file that
    # runs measures; the others find the traces there, and load no model.
    models = [model.spec.name for model in session.models]
    metafunc.parametrize("model", session.models, ids=models, indirect=True, scope="module")
    workloads = [workload.spec.name for workload in session.workloads]
    metafunc.parametrize("workload", session.workloads, ids=workloads)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Notice a results folder that cannot be written before anything is measured."""
    measures = any("case" in getattr(item, "fixturenames", ()) for item in session.items)
    if measures and not session.config.option.collectonly:
        try:
            session.config.stash[_session].store.check_writable()
        except InputError as error:
            raise pytest.UsageError(str(error)) from None


@pytest.fixture(scope="module")
def model(request: pytest.FixtureRequest) -> Iterator[Model]:
    """An entry of the model file; located and loaded when first used, freed after its last case."""
    yield request.param
    request.param.release()


@pytest.fixture(scope="session")
def display(request: pytest.FixtureRequest) -> Display:
    """Progress on the terminal."""
    return request.config.stash[_session].display


@pytest.fixture
def case(model: Model, workload: Workload, request: pytest.FixtureRequest) -> Case:
    """The case of this test; the test is skipped when an earlier run has finished its experiment."""
    session = request.config.stash[_session]
    names = model.spec.name, workload.spec.name
    case = session.cases.get(names) or Case(model, workload, session.settings, session.store)
    earlier = case.earlier
    session.cases[names] = session.case_of[request.node.nodeid] = case
    if session.rerun == "failed" and earlier is None:
        pytest.skip("never measured; --rerun failed only repeats failures")
    done = earlier is not None and earlier.status == "ok" and _experiment(request) in earlier.experiments
    if done and session.rerun != "all":
        pytest.skip(f"measured before: {case.path}; --rerun all measures it again")
    if earlier is not None and earlier.status == "failed" and session.rerun == "missing":
        pytest.skip(f"failed before: {earlier.error}; --rerun failed tries again")
    return case


@pytest.fixture
def trace(case: Case, display: Display, benchmark: BenchmarkFixture, request: pytest.FixtureRequest) -> Trace:
    """The tokens of the case with all their exits: measured by the first experiment that asks, read from disk if an
    earlier run has."""
    if case.trace is None and request.config.stash[_session].rerun != "all":
        case.read()
    if case.trace is None:
        case.model.loaded()  # so that the time to load is not the case's
        with display.progress(case) as progress:
            benchmark.pedantic(case.measure, args=(progress,))
        request.config.stash[_session].extra_info[case] = benchmark.extra_info
    assert case.trace is not None
    return case.trace


@pytest.fixture
def choices(case: Case, trace: Trace) -> Choices:
    """What the columns of the case depend on besides its trace."""
    return case.choices


@pytest.fixture
def record(case: Case, request: pytest.FixtureRequest) -> Record:
    """Adds columns to the row of the case, under the name of the experiment: the test's, without `test_`."""
    extra_info = request.config.stash[_session].extra_info

    def add(columns: dict[str, Any]) -> None:
        row = case.record(_experiment(request), columns)
        extra_info.get(case, {}).update(row.headline())

    return add


def _experiment(request: pytest.FixtureRequest) -> str:
    return request.function.__name__.removeprefix("test_")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Skip what cannot run here; say what is wrong in one line, and leave a row that says why a case failed."""
    with _reported(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """The same."""
    with _reported(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A case that fails while it is measured has failed; pytest would call that an error, being in a fixture."""
    report = yield
    if report.failed and report.when == "setup" and item.nodeid in item.config.stash[_session].case_of:
        report.when = "call"
    return report


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """Print no letter for what cannot run here: there may be thousands, and the end of the session sums them up."""
    if report.skipped and isinstance(report.longrepr, tuple) and _CANNOT_RUN in report.longrepr[2]:
        return "skipped", "", "SKIPPED"
    return None


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Bring the folder's table up to date."""
    measured = session.config.stash.get(_session, None)
    if measured is not None and measured.cases:
        measured.store.write_table()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> Generator[None]:
    """End with what was not measured and why, the results, and where they are."""
    yield
    session = config.stash.get(_session, None)
    if session is None or config.option.collectonly:
        return
    earlier = [case for case in session.cases.values() if case.earlier is not None and not case.measured]
    skipped = session.cannot_run()
    if skipped or earlier:
        terminalreporter.section("not measured now")
        for line in skipped_lines(skipped, terminalreporter._tw.fullwidth):
            terminalreporter.line(line)
        if earlier:
            ended = f"{len(earlier)} {'case' if len(earlier) == 1 else 'cases'} ended in an earlier run"
            terminalreporter.line(f"{ended}; --rerun all|failed repeats them")
    if session.cases:
        rows = [row for case in session.cases.values() if (row := case.row) is not None]
        terminalreporter.section("exitbench results")
        failed = sum(row.status == "failed" for row in rows)
        terminalreporter.line(results_table(rows))
        terminalreporter.line(
            f"\n{len(rows) - failed} measured, {failed} failed, in {session.store.folder} (table.csv: all rows there)"
        )
        if (others := remark(session.store.folder)) is not None:
            terminalreporter.line(others)


@contextmanager
def _reported(item: pytest.Item) -> Iterator[None]:
    """Inside the block our own errors become a skip or a failure without a traceback; a failure leaves a row."""
    try:
        yield
    except CannotRun as error:
        pytest.skip(f"{_CANNOT_RUN}{error}")
    except pytest.skip.Exception:
        raise
    except Exception as error:
        case = item.config.stash[_session].case_of.get(item.nodeid)
        if case is not None:
            case.record_failure(error)
        if not isinstance(error, ExitBenchError):
            raise
        # Without `from None` pytest prints the message twice, as an error that happened while handling itself.
        raise pytest.fail.Exception(str(error), pytrace=False) from None


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"must be a whole number of at least 1, not '{text}'")
    return int(text)


def _fraction(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise ArgumentTypeError(f"must be a number between 0 and 1, not '{text}'")
    return number


def _thresholds(text: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = (2.0,)
    if not all(-1 <= number <= 1 for number in numbers):
        raise ArgumentTypeError(f"must be numbers between -1 and 1 with commas between them, not '{text}'")
    return numbers


def _sample(text: str) -> int | None:
    return None if text == "all" else _positive(text)
