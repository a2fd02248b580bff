"""The pytest plugin: options, fixtures, parametrization, and what a session prints.

A suite is any test that asks for the fixture `case`; it is run once for every selected (model, workload). In a session
without such a test the plugin does nothing: it reads no file and prints nothing. So modules that take long to import
are imported when they are needed.
"""

import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from benchmark.errors import CannotRun, ExitBenchError, InputError, told
from benchmark.interface.session.collection import (
    combinations,
    left_away,
    measures,
    note_experiments,
    parametrize,
    variant_of,
)
from benchmark.interface.session.command_line import add_options, any_given, options_of, wants_benchmarks
from benchmark.interface.terminal.letters import folded
from benchmark.interface.terminal.streams import legible
from benchmark.ranks import rank

if TYPE_CHECKING:
    from benchmark.cases.case import Case
    from benchmark.inputs.model_entry import ModelEntry
    from benchmark.inputs.workload_entry import WorkloadEntry
    from benchmark.interface.session.pytest_session import MeasuringSession
    from benchmark.interface.session.workers import Ended
    from benchmark.results.row import Row
    from benchmark.trace.record import Trace

_SESSION = pytest.StashKey["MeasuringSession"]()
_ERROR = pytest.StashKey[InputError]()
"""What is wrong with what is asked for, until collection has ended and it can be told."""
_DISPLAY = pytest.StashKey[Any]()
_CASES = pytest.StashKey[dict[str, tuple[str, str]]]()
"""Names of model and workload, by the node ids of tests that asked for their case."""
_OF_WORKERS = pytest.StashKey[list["Ended"]]()
_CANNOT_RUN = "cannot run here: "


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser
) -> Generator[None, object, object]:
    """Declare the options behind those of everybody else, whose names stay theirs."""
    if early_config.known_args_namespace.help:
        legible(sys.__stdout__)  # a page with a letter too many would come out as one line
    result = yield
    add_options(parser, early_config)
    return result


def pytest_sessionstart(session: pytest.Session) -> None:
    """Tell a mistake in the options before anything is collected."""
    if any_given(session.config):
        _begin(session.config)
        _tell_mistakes(session.config)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a case of every (model, workload) for each test that asks for one."""
    if "case" in metafunc.fixturenames:
        parametrize(metafunc, _begin(metafunc.config))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave away tests of other studies, and what cannot run here; learn which experiments the others have."""
    if (session := config.stash.get(_SESSION, None)) is None:
        return
    with config.stash[_DISPLAY].working("looking for models and data"):
        others = set(left_away(session, items))
    if others:
        config.hook.pytest_deselected(items=list(others))
        items[:] = [item for item in items if item not in others]
    try:
        note_experiments(session, items)
    except InputError as error:
        config.stash[_ERROR] = error


def pytest_collection_finish(session: pytest.Session) -> None:
    """Tell mistakes, notice a results folder that cannot be written, and let a request to stop end the session well."""
    _tell_mistakes(session.config)
    measuring = session.config.stash.get(_SESSION, None)
    if measuring is None or not any(map(measures, session.items)) or session.config.option.collectonly:
        return
    try:
        measuring.store.check_writable()
    except InputError as error:
        raise pytest.UsageError(told(error)) from None
    measuring.expect(combinations(session.items))
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _stop)


@pytest.hookimpl(wrapper=True)
def pytest_report_header(config: pytest.Config) -> Generator[None, list[Any], list[Any]]:
    """Fold what pytest says of itself to the width of the terminal; say nothing of benchmarks that are not shown."""
    lines = yield
    if (display := config.stash.get(_DISPLAY, None)) is None:
        return lines
    wanted = wants_benchmarks(config.invocation_params.args)
    said = [line for part in lines for line in ([part] if isinstance(part, str) else part)]
    return [[*folded(line, display.columns)] for line in said if wanted or not line.startswith("benchmark: ")]


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    """Say where the work will happen, most of all when `auto` found no GPU, and what cannot run here."""
    session = config.stash.get(_SESSION, None)
    if session is None:
        return []
    from benchmark.interface.terminal.cannot_run import cannot_run_line
    from benchmark.models import hardware

    auto = options_of(config).device == "auto"
    why = " (no accelerator found)" if auto and session.device.type == "cpu" else ""
    lines = [f"exitbench: on {session.device.type}{why}: {hardware.accelerator(session.device)}"]
    if not session.models:
        lines.append(f"exitbench: --shard {options_of(config).shard}: there are fewer models than shards; it has none")
    if cannot_run := session.report().cannot_run:
        lines.append(f"exitbench: {cannot_run_line(*session.names, cannot_run)}")
        session.told |= cannot_run.keys()
    return [part for line in lines for part in folded(line, config.stash[_DISPLAY].columns)]


@pytest.fixture(scope="module")
def model(request: pytest.FixtureRequest) -> "Iterator[ModelEntry]":
    """An entry of the model file; what is loaded of it is freed after its last case."""
    yield request.param
    request.config.stash[_SESSION].release()


@pytest.fixture
def case(model: "ModelEntry", workload: "WorkloadEntry", request: pytest.FixtureRequest) -> "Case":
    """A model on a workload, measured: by the first test that asks, or by an earlier run.

    It has `row`, `trace`, `scoring`, `costs`, and `columns(EXPERIMENT)`. The test is skipped when it is of an
    experiment (`test_<name>`) that an earlier run has finished.
    """
    session = request.config.stash[_SESSION]
    request.config.stash.setdefault(_CASES, {})[request.node.nodeid] = model.name, workload.name
    experiment = request.function.__name__.removeprefix("test_")

    def timed(measure: "Callable[[], Row]") -> "Row":
        if not request.config.pluginmanager.has_plugin("benchmark"):
            return measure()
        benchmark = request.getfixturevalue("benchmark")
        row: Row = benchmark.pedantic(measure)
        benchmark.extra_info.update(row.headline())
        return row

    return session.case(model, workload, experiment, timed, variant_of(request.node.callspec.params))


@pytest.fixture
def trace(case: "Case") -> "Trace":
    """The tokens of the case with all their exits."""
    return case.trace


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Skip what cannot run here, and say what is wrong in one line."""
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
    if report.failed and report.when == "setup" and item.nodeid in item.config.stash.get(_CASES, {}):
        report.when = "call"
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Bring the folder's table up to date; a worker process tells the session what it has done."""
    config = session.config
    measuring = config.stash.get(_SESSION, None)
    if measuring is None:
        return
    measuring.write_table()
    unwritten = any(ended.table for ended in (measuring.ended, *config.stash.get(_OF_WORKERS, [])))
    if unwritten and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if session.exitstatus == pytest.ExitCode.OK and not config.option.collectonly and _is_empty(config):
        session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
    if rank() > 0 and session.exitstatus == pytest.ExitCode.TESTS_FAILED:
        # The first tells it. At another exit code torchrun would end the first before it has told anything.
        session.exitstatus = pytest.ExitCode.OK
    if (output := getattr(config, "workeroutput", None)) is not None:
        from benchmark.interface.session.workers import packed

        output["exitbench"] = packed(measuring.report())


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what a worker process of pytest-xdist has done."""
    if (output := getattr(node, "workeroutput", {}).get("exitbench")) is not None:
        from benchmark.interface.session.workers import unpacked

        node.config.stash.setdefault(_OF_WORKERS, []).append(unpacked(output))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the cases of a model in one process, which loads it once; in other sessions pytest-xdist schedules."""
    if (session := config.stash.get(_SESSION, None)) is None:
        return None
    from benchmark.interface.session.workers import scheduler

    return scheduler(config, log, [model.name for model in session.models])


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> Generator[None]:
    """End with what was not measured and why, the results, and where they are."""
    yield
    session = config.stash.get(_SESSION, None)
    if session is None or config.option.collectonly:
        return
    from benchmark.interface.summary import summary

    cases = combinations(getattr(getattr(terminalreporter, "_session", None), "items", []))
    interrupted = cases if exitstatus == pytest.ExitCode.INTERRUPTED else []
    ended = [session.report(), *config.stash.get(_OF_WORKERS, [])]
    display, names_wanted = config.stash[_DISPLAY], terminalreporter.hasopt("s")
    for title, lines in summary(session, ended, interrupted, display.columns, names_wanted, not cases):
        terminalreporter.section(title)
        terminalreporter.write("".join(f"{display.shown(line)}\n" for line in lines))


def _begin(config: pytest.Config) -> "MeasuringSession | None":
    """The session, begun when first asked for; None if what is asked for is wrong."""
    if _SESSION in config.stash or _ERROR in config.stash:
        return config.stash.get(_SESSION, None)
    from benchmark.interface.session.opening import asked_for
    from benchmark.interface.terminal.display import Display
    from benchmark.interface.terminal.screen import Screen

    options = options_of(config)
    legible(sys.__stdout__)
    screen = Screen(config, silent=rank() > 0)  # the first prints for all
    config.stash[_DISPLAY] = display = Display(screen, quiet=config.get_verbosity() < -1)
    if (benchmarks := getattr(config, "_benchmarksession", None)) is not None:
        benchmarks.quiet = not wants_benchmarks(config.invocation_params.args)
    try:
        # A mistyped name is told before torch and transformers are imported, which takes seconds.
        with display.working("reading models and workloads", at_once=True):
            models, workloads = asked_for(options)
        display.announce("exitbench: importing torch and transformers")
        with display.working("importing torch and transformers", at_once=True):
            from benchmark.interface.session.pytest_session import MeasuringSession

            config.stash[_SESSION] = MeasuringSession(options, models, workloads, display)
    except InputError as error:
        config.stash[_ERROR] = error
    return config.stash.get(_SESSION, None)


def _tell_mistakes(config: pytest.Config) -> None:
    if (error := config.stash.get(_ERROR, None)) is not None:
        raise pytest.UsageError(told(error))


def _is_empty(config: pytest.Config) -> bool:
    """Whether a session has passed no test and has no row, of now or of before."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    ended = [config.stash[_SESSION].report(), *config.stash.get(_OF_WORKERS, [])]
    return reporter is not None and not reporter.stats.get("passed") and not any(one.has_rows() for one in ended)


def _stop(number: int, _: object) -> None:
    """End the session as Ctrl-C does: with a summary and a table."""
    signal.signal(number, signal.SIG_IGN)  # once is enough
    raise KeyboardInterrupt


@contextmanager
def _reported(item: pytest.Item) -> Iterator[None]:
    """Inside the block our own errors become a skip or a failure without a traceback."""
    try:
        yield
    except CannotRun as error:
        pytest.skip(f"{_CANNOT_RUN}{told(error)}")
    except ExitBenchError as error:
        # Without `from None` pytest prints the message twice, as an error that happened while handling itself.
        raise pytest.fail.Exception(told(error), pytrace=False) from None
