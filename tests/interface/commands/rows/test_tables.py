"""What the commands that look at rows print: whatever a row file says, nothing of it moves a terminal."""

from pathlib import Path

import pytest
from commands import run
from folders import LAYERS, write_case

HOSTILE = "\x1b]0;pwn\x07\x9b2J\r\n\u202e"
FORMS = ("text", "md", "latex", "csv")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows whose every text is hostile: two that can be shown and compared, one that only one model has."""
    folder = tmp_path_factory.mktemp("results")
    texts = dict.fromkeys(("gate_99", "gates_missing", "dtype", "device", "revision"), HOSTILE)
    share = [1 / LAYERS] * LAYERS
    for model, workload in (("one", "chat"), ("two", "chat"), ("two", "math")):
        row = write_case(folder, model, workload, 0.3, agreement=share, exit_share=share, **texts)
        (path,) = (folder / model / workload).glob("*.json")
        named = row.model_copy(update={"model": f"{HOSTILE}{model}", "workload": f"{HOSTILE}{workload}"})
        path.write_text(named.as_json(), encoding="utf-8")
    return folder


def commands(folder: Path) -> list[tuple[object, ...]]:
    """Every way to print them."""
    one, two = f"{HOSTILE}one", f"{HOSTILE}two"
    ways: list[tuple[object, ...]] = [("ladder", folder, "--json"), ("findings", folder)]
    for form in FORMS:
        ways += [
            ("compare", one, two, "--results-dir", folder, "--format", form),
            ("compare", folder, folder, "--format", form),
            ("ladder", folder, "--format", form),
            ("show", two, "--results-dir", folder, "--format", form),
        ]
    return ways


def test_no_text_of_a_row_reaches_the_terminal_raw(folder: Path, capsys: pytest.CaptureFixture[str]):
    for words in commands(folder):
        assert run(*words) == 0, words
        out = capsys.readouterr().out
        assert out and all(letter.isprintable() for line in out.split("\n") for letter in line), words


@pytest.mark.parametrize(
    "words",
    [
        ("show", "neither", "--results-dir"),
        ("show", f"{HOSTILE}one", "--workload", "neither", "--results-dir"),
        ("compare", f"{HOSTILE}one", f"{HOSTILE}two", "--workload", f"{HOSTILE}math", "--results-dir"),
    ],
)
def test_a_refusal_is_one_line_whatever_the_rows_are_called(folder: Path, words: tuple[str, ...], capsys):
    assert run(*words, folder) == 1
    (line,) = capsys.readouterr().err.removesuffix("\n").split("\n")
    assert line.isprintable()
