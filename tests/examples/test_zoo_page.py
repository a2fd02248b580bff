"""The zoo's page: its tables and pictures are what published rows and losses come to."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from folders import LAYERS, write_case, write_decoding

from benchmark.errors import InputError
from examples.zoo.entries import read_zoo
from examples.zoo.page import PAGE, PUBLISHED, RESULTS, losses_of, write_page

SHIPPED = read_zoo(Path(__file__).parents[2] / "examples" / "zoo" / "zoo.yaml")
_SOME = ("dense", "hybrid", "layerskip", "width-64", "instruct")
ZOO = replace(SHIPPED, models=[model for model in SHIPPED.models if model.entry.name in _SOME])
TABLES = ("variants", "differences", "losses", "findings")
PICTURES = {"learning.svg", "training.svg", "layers.svg", "variants.svg"}


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """Rows and losses of some variants of the shipped list: layerskip skips more, and seeds differ a little."""
    losses = {}
    for model in ZOO.models:
        losses[model.name] = []
        for number, step in enumerate(model.entry.saved_at):
            losses[model.name].append({"step": step, "held_out_loss": 6.5 - number / 4, "unigram_loss": 6.5})
            gain = 0.5 - number / 20 + model.seed / 200 + (0.2 if model.entry.exit_loss else 0.0)
            where = {"checkpoint": f"checkpoint-{step}", "source": f"path:{model.name}/checkpoint-{step}"}
            columns = {"training_step": step, "agreement": [(layer + 1) / LAYERS for layer in range(LAYERS)]}
            name = f"{model.name}@checkpoint-{step}"
            write_case(tmp_path / "rows", name, "zoo_prose", gain, gate_skip_ratio_99=gain / 4, **where, **columns)
            of_step = {"training_step": step, "skip_ratio": 0.1 + number / 100, "same_until": 0.5, **where}
            write_decoding(tmp_path / "rows", name, "zoo_prose", harmless_only=False, **of_step)
    (tmp_path / "losses.json").write_text(json.dumps(losses), encoding="utf-8")
    places = "".join(f"<!-- {name} -->\nto be replaced\n<!-- end of {name} -->\n\n" for name in TABLES)
    (tmp_path / "zoo.md").write_text(f"# A page\n\n{places}by hand\n", encoding="utf-8")
    return tmp_path


def test_its_tables_and_pictures_say_what_was_planted(planted):
    write_page(ZOO, planted, planted / "rows", planted / "zoo.md")
    text = (planted / "zoo.md").read_text(encoding="utf-8")
    assert text.startswith("# A page\n")
    assert text.endswith("by hand\n")
    assert "to be replaced" not in text
    lines = text.splitlines()
    dense = next(line for line in lines if line.startswith("| `dense` "))
    assert dense.startswith("| `dense` | 3 | 5.250 | 0.81 | 0.260 | 0.020 |")
    assert dense.endswith("| 0.150 | 0.500 |")
    skipped = next(line for line in lines if line.startswith("| oracle: skip ratio |"))
    layerskip = skipped.split("|")[2 + ["hybrid", "instruct", "layerskip"].index("layerskip")]
    # By Welch: three seeds at 0.005, 0.010 and 0.015 more on both sides.
    assert layerskip.strip() == "**+0.200 [+0.189, +0.211]**"
    assert sum(line.startswith("| `dense-s1` | 6.500 ") for line in lines) == 1
    assert {path.name for path in (planted / "zoo").iterdir()} == PICTURES


def test_a_page_without_a_place_for_a_table_is_refused_and_left_alone(planted):
    (planted / "zoo.md").write_text("# A page\n", encoding="utf-8")
    with pytest.raises(InputError, match="no place for the table 'variants'"):
        write_page(ZOO, planted, planted / "rows", planted / "zoo.md")
    assert (planted / "zoo.md").read_text(encoding="utf-8") == "# A page\n"


def test_rows_of_some_of_the_models_make_no_page(planted):
    shutil.rmtree(planted / "rows" / "hybrid-s2@checkpoint-1280")
    with pytest.raises(InputError, match="rows of hybrid-s2@checkpoint-1280 are missing"):
        write_page(ZOO, planted, planted / "rows", planted / "zoo.md")


def test_rows_of_a_model_that_is_not_listed_make_no_page(planted):
    write_case(planted / "rows", "stranger-s1", "zoo_prose", 0.3)
    with pytest.raises(InputError, match="rows of stranger-s1 are there, and it is not listed"):
        write_page(ZOO, planted, planted / "rows", planted / "zoo.md")


def test_losses_of_a_model_that_was_not_trained_to_its_end_make_no_page(planted):
    losses = json.loads((planted / "losses.json").read_text(encoding="utf-8"))
    losses["hybrid-s1"].pop()
    (planted / "losses.json").write_text(json.dumps(losses), encoding="utf-8")
    with pytest.raises(InputError, match="losses of hybrid-s1@checkpoint-1280 are missing"):
        write_page(ZOO, planted, planted / "rows", planted / "zoo.md")


def test_a_mean_over_seeds_of_which_one_has_no_number_is_not_told(planted):
    shutil.rmtree(planted / "rows" / "dense-s3@checkpoint-1280" / "zoo_prose")
    where = {"checkpoint": "checkpoint-1280", "source": "path:dense-s3/checkpoint-1280", "training_step": 1280}
    agreement = [(layer + 1) / LAYERS for layer in range(LAYERS)]
    write_case(planted / "rows", "dense-s3@checkpoint-1280", "zoo_prose", 0.3, agreement=agreement, **where)
    write_page(ZOO, planted, planted / "rows", planted / "zoo.md")
    lines = (planted / "zoo.md").read_text(encoding="utf-8").splitlines()
    dense = next(line for line in lines if line.startswith("| `dense` "))
    assert dense.startswith("| `dense` | 3 | 5.250 | 0.81 | 0.272 | 0.020 |")
    assert dense.endswith("|  |  |")


def test_without_published_losses_the_remedy_is_told(tmp_path):
    with pytest.raises(InputError, match="publish a zoo first"):
        losses_of(ZOO, tmp_path / "losses.json")


def test_the_page_that_is_there_is_what_the_published_rows_come_to(tmp_path):
    (tmp_path / "zoo.md").write_bytes(PAGE.read_bytes())
    write_page(SHIPPED, PUBLISHED, RESULTS, tmp_path / "zoo.md")
    told = "write it anew: python -m examples.zoo.page"
    assert (tmp_path / "zoo.md").read_text(encoding="utf-8") == PAGE.read_text(encoding="utf-8"), told
    drawn, there = (
        {path.name: path.read_bytes() for path in folder.iterdir()}
        for folder in (tmp_path / "zoo", PAGE.with_suffix(""))
    )
    assert drawn == there, told
