"""What the command prints, wherever it goes: any encoding, a pipe that closes, a disk that is full, Ctrl-C."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from benchmark.interface.option_table import OPTIONS

ROOT = Path(__file__).parents[3]
EXITBENCH = [sys.executable, "-m", "benchmark"]


def ended(command: list[str], **keywords: Any) -> subprocess.CompletedProcess[bytes]:
    """A process that has ended; keywords in capitals are set in its environment."""
    environment = {**os.environ, **{name: keywords.pop(name) for name in list(keywords) if name.isupper()}}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | keywords
    return subprocess.run(command, cwd=ROOT, env=environment, timeout=120, **streams)


@pytest.mark.parametrize(
    ("encoding", "command"),
    [("latin-1", "findings results/published"), ("utf-16", "run --help"), ("cp037", "recompute --help")],
)
def test_every_encoding_shows_all_of_it(encoding: str, command: str):
    plain = ended([*EXITBENCH, *command.split()], PYTHONIOENCODING="utf-8", COLUMNS="80")
    other = ended([*EXITBENCH, *command.split()], PYTHONIOENCODING=encoding, COLUMNS="80")
    assert (other.returncode, other.stderr) == (0, b"")
    lines, expected = other.stdout.decode(encoding).splitlines(), plain.stdout.decode().splitlines()
    assert len(lines) == len(expected)
    assert [line for line in expected if line.isascii()] == [
        line for line, said in zip(lines, expected, strict=True) if said.isascii()
    ]


def test_the_help_of_pytest_stays_a_page():
    lines = ended(
        [sys.executable, "-m", "pytest", "-c", os.devnull, "--help"], PYTHONIOENCODING="koi8-r"
    ).stdout.splitlines()
    assert len(lines) > 300
    assert any(line.lstrip().startswith(b"--max-new-tokens") for line in lines)


def test_options_are_told_of_in_ascii():
    assert [name for name, options in OPTIONS.items() if not f"{options}".isascii()] == []


@pytest.mark.parametrize(("command", "unbuffered"), [("recompute --help", ""), ("validate models.yaml", "1")])
def test_a_reader_that_leaves_is_no_error_to_tell(command: str, unbuffered: str):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        process = ended([*EXITBENCH, *command.split()], stdout=writer, PYTHONUNBUFFERED=unbuffered)
    finally:
        os.close(writer)
    assert process.stderr == b""
    assert process.returncode in (0, 1)  # argparse takes no notice of it


@pytest.mark.parametrize(("command", "unbuffered"), [("validate models.yaml", ""), ("validate models.yaml", "1")])
def test_a_full_disk_behind_the_output_is_one_line(command: str, unbuffered: str):
    with Path("/dev/full").open("wb") as full:
        process = ended([*EXITBENCH, *command.split()], stdout=full, PYTHONUNBUFFERED=unbuffered)
    assert process.returncode == 1
    (line,) = process.stderr.decode().splitlines()
    assert line.startswith("exitbench: ")
    assert line.endswith("No space left on device")


def test_closed_streams_are_no_error():
    for command, code in ((["validate", "models.yaml"], 0), (["no-such-command"], 2)):
        process = ended(["/bin/sh", "-c", 'exec "$@" >&- 2>&-', "sh", *EXITBENCH, *command])
        assert process.returncode == code


@pytest.mark.parametrize("command", ["validate FIFO", "run --model-file FIFO"])
def test_ctrl_c_is_one_line_and_130(command: str, tmp_path: Path):
    os.mkfifo(tmp_path / "models.yaml")  # nobody writes to it, so the command waits
    words = command.replace("FIFO", str(tmp_path / "models.yaml")).split()
    process = subprocess.Popen([*EXITBENCH, *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output, errors) == (130, b"", b"exitbench: interrupted\n")
