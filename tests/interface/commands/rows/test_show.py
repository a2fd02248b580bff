"""The command `exitbench show`."""

from pathlib import Path

import pytest
from commands import run
from folders import LAYERS, write_case

PUBLISHED = Path(__file__).parents[4] / "results" / "published"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    share = [number / LAYERS for number in range(1, LAYERS + 1)]
    write_case(folder, "one", "chat", 0.3, agreement=share, exit_share=[1 / LAYERS] * LAYERS)
    return folder


def test_a_published_model_from_sentence_to_tokens(capsys):
    assert run("show", "SmolLM2-135M-Instruct", "--results-dir", PUBLISHED, "--workload", "chat") == 0
    sentence, ladder, _, layers, _, text = capsys.readouterr().out.split("\n\n", maxsplit=5)
    assert "a perfect rule skips 25 %" in " ".join(sentence.split())
    assert ladder.startswith("SmolLM2-135M-Instruct\nworkload")
    assert len(layers.splitlines()) == 31 and layers.splitlines()[-1].split()[0] == "30"
    assert text.startswith("[27]1[10].[30] Using") and "\x1b" not in text


def test_the_table_is_of_layers(shown: Path, capsys):
    assert run("show", "one", "--results-dir", shown, "--format", "csv") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["layer,chat", "1,0.02"] and len(lines) == 1 + LAYERS


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("onee",), "has no model 'onee'; did you mean one?"),
        (("one", "--workload", "math"), "no row of one on 'math' of the study oracle went well"),
    ],
)
def test_what_is_not_there_is_one_line(shown: Path, words: tuple[str, ...], message: str, capsys):
    assert run("show", *words, "--results-dir", shown) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
