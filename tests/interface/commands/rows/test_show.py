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


def test_settings_are_not_mixed_and_those_left_out_are_named(tmp_path: Path, capsys):
    share = {"agreement": [0.5] * LAYERS, "exit_share": [1 / LAYERS] * LAYERS}
    other = {"agreement": [0.1] * 2, "exit_share": [0.5] * 2, "num_layers": 2, "started": "2026-02-01T00:00:00+00:00"}
    for workload in ("chat", "math"):
        write_case(tmp_path, "one", workload, 0.3, **share)
    write_case(tmp_path, "one", "chat", 0.3, **other, dtype="float32", configuration="11111111")
    write_case(tmp_path, "one", "math", 0.3, **other, capture="given", configuration="22222222")
    write_case(tmp_path, "one", "math", 0.3, **other, limited=True, configuration="33333333")
    assert run("show", "one", "--results-dir", tmp_path) == 0
    sentence, note, *_ = (" ".join(block.split()) for block in capsys.readouterr().out.split("\n\n"))
    assert "(mean of 2 workloads)" in sentence
    assert note == (
        "This is one (bfloat16). Not shown: one (float32): chat; one (bfloat16, limited): math; "
        "of given texts, not the model's own: math."
    )
    assert run("show", "one", "--results-dir", tmp_path, "--format", "csv") == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[:2] == ["layer,chat,math", "1,0.5,0.5"] and err.startswith("This is one (bfloat16).")


def test_rows_of_given_texts_alone_are_refused(tmp_path: Path, capsys):
    write_case(tmp_path, "one", "chat", 0.3, capture="given")
    assert run("show", "one", "--results-dir", tmp_path) == 1
    assert "no row of one of the study oracle went well on the model's own texts" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["text", "csv"])
def test_rows_of_two_layer_counts_are_one_line(tmp_path: Path, form: str, capsys):
    for workload, layers in (("chat", LAYERS), ("math", 2)):
        share = {"agreement": [0.5] * layers, "exit_share": [1 / layers] * layers}
        write_case(tmp_path, "one", workload, 0.3, **share)
    assert run("show", "one", "--results-dir", tmp_path, "--format", form) == 1
    out, err = capsys.readouterr()
    assert not out and err.startswith("exitbench: one × math: agreement is of 2 layers, and the model has 50;")
