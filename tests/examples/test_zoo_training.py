"""Training one model: the same bits after a kill, and what becomes of one that goes wrong."""

import json
import multiprocessing
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from benchmark.errors import InputError, MeasurementError
from benchmark.inputs.model_entry import load_models
from benchmark.models.hub import Hub
from benchmark.models.locate import locate
from benchmark.models.source import Machine
from examples.zoo import training
from examples.zoo.entries import Entry, Model, read_zoo
from examples.zoo.measuring import losses, why_not_measured, write_losses, write_models
from examples.zoo.training import train, train_or_tell

SMOKE = Path(__file__).parents[2] / "examples" / "zoo" / "smoke.yaml"
SMALL = {"layers": 2, "width": 32, "parameters": 24_000, "context": 32, "batch": 4, "steps": 12, "checkpoints": 2}


def small(of: str, base: Model | None = None, **changed: Any) -> Model:
    """A model of the smoke version, smaller still."""
    (entry,) = (model.entry for model in read_zoo(SMOKE).models if model.entry.name == of)
    return Model(Entry.model_validate(entry.model_dump() | SMALL | changed), 1, base)


def weights(home: Path, model: Model, step: int = 12) -> bytes:
    return (home / model.name / f"checkpoint-{step}" / "model.safetensors").read_bytes()


def quiet(line: str) -> None:
    """Progress is not looked at."""


@pytest.fixture(scope="module")
def trained(zoo_text, tmp_path_factory) -> Path:
    """Folder with both models of the smoke version, trained without a break."""
    home = tmp_path_factory.mktemp("trained")
    for name in ("dense", "layerskip"):
        train(small(name), zoo_text, home, quiet)
    return home


def train_slowly(model: Model, text: Path, home: Path) -> None:
    """Save the state after every step, and leave time to be killed behind it."""
    training._SAVED_EVERY = -1
    save = training._Training._save

    def slowly(self: Any, *state: Any) -> None:
        save(self, *state)
        time.sleep(0.2)

    training._Training._save = slowly
    train(model, text, home, quiet)


@pytest.mark.parametrize("name", ["dense", "layerskip"])
def test_a_run_that_is_killed_ends_with_the_same_bits(name, trained, zoo_text, tmp_path):
    model = small(name)
    process = multiprocessing.get_context("fork").Process(target=train_slowly, args=(model, zoo_text, tmp_path))
    process.start()
    state = tmp_path / model.name / "state.pt"
    while not state.exists() or torch.load(state, weights_only=True)["step"] < 4:
        assert process.is_alive()
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert not (tmp_path / model.name / "checkpoint-12").exists()
    train(model, zoo_text, tmp_path, quiet)
    assert weights(tmp_path, model) == weights(trained, model)
    assert weights(tmp_path, model, 6) == weights(trained, model, 6)
    assert not state.exists()


def test_the_exit_loss_and_another_seed_make_other_weights(trained, zoo_text, tmp_path):
    assert weights(trained, small("dense")) != weights(trained, small("layerskip"))
    other = Model(small("dense").entry, 2)
    train(other, zoo_text, tmp_path, quiet)
    assert weights(tmp_path, other) != weights(trained, small("dense"))


def test_the_same_seed_makes_a_folder_that_a_row_takes_for_the_same(trained, zoo_text, tmp_path):
    model = small("dense")
    train(model, zoo_text, tmp_path, quiet)
    machine = Machine(torch.device("cpu"), None, trust_remote_code=False)
    revisions = [
        [locate(spec, Hub(download=False), machine).revision for spec in load_models(write_models([model], home))]
        for home in (trained, tmp_path)
    ]
    assert revisions[0] == revisions[1]
    assert len({*revisions[0]}) == 2
    # Weights that were changed by somebody else are told by their time.
    (tmp_path / model.name / "checkpoint-12" / "model.safetensors").touch()
    spec = load_models(tmp_path / "models.yaml")[-1]
    assert locate(spec, Hub(download=False), machine).revision != revisions[0][-1]


def test_what_was_trained_is_not_trained_again(trained, zoo_text):
    lines: list[str] = []
    train(small("dense"), zoo_text, trained, lines.append)
    assert lines == []


def test_a_folder_of_another_entry_is_refused(trained, zoo_text):
    with pytest.raises(InputError, match=r"^dense-s1: .* was trained with another entry; remove it to begin anew$"):
        train(small("dense", learning_rate=0.02), zoo_text, trained, quiet)


def test_a_damaged_state_is_refused_in_one_line(zoo_text, tmp_path):
    (tmp_path / "dense-s1").mkdir()
    (tmp_path / "dense-s1" / "state.pt").write_bytes(b"half a fi")
    with pytest.raises(InputError, match=r"^dense-s1: .*state.pt cannot be read \(\w+\); remove it to begin anew$"):
        train(small("dense"), zoo_text, tmp_path, quiet)


def test_a_step_that_diverges_is_one_line_with_model_and_step(zoo_text, tmp_path):
    problem = train_or_tell(small("dense", learning_rate=1e30), zoo_text, tmp_path)
    assert problem is not None
    assert problem.startswith("dense-s1: is left at step 2: the loss is ")
    assert problem.endswith("lower its learning_rate")
    assert "\n" not in problem


@pytest.mark.parametrize("architecture", ["moe", "mamba2", "hybrid"])
def test_other_architectures_learn_as_well(architecture, zoo_text, tmp_path):
    sizes = {"moe": 24_000, "mamba2": 31_000, "hybrid": 60_000}
    model = small("dense", architecture=architecture, parameters=sizes[architecture], name=architecture)
    train(model, zoo_text, tmp_path, quiet)
    records = losses(model, tmp_path)
    assert list(records) == [6, 12]
    assert records[12]["held_out_loss"] < records[6]["held_out_loss"]


def test_a_tuned_model_begins_with_the_final_weights_of_its_base(trained, zoo_text, tmp_path):
    shutil.copytree(trained / "dense-s1", tmp_path / "dense-s1")
    tuned = small("dense", small("dense"), name="instruct", tuned_from="dense", context=64, learning_rate=1e-12)
    train(tuned, zoo_text, tmp_path, quiet)
    before, after = (
        load_file(tmp_path / model.name / "checkpoint-12" / "model.safetensors") for model in (small("dense"), tuned)
    )
    assert all(torch.allclose(after[name], before[name], atol=1e-6) for name in before)
    assert (tmp_path / "instruct-s1" / "checkpoint-12" / "chat_template.jinja").exists()
    first, last = load_models(write_models([tuned], tmp_path))
    assert (first.training_step, last.stage, last.base_model) == (6, "instruct", "dense-s1@checkpoint-12")


def test_a_tuned_model_without_its_base_is_left(zoo_text, tmp_path):
    tuned = small("dense", small("dense"), name="instruct", tuned_from="dense")
    with pytest.raises(MeasurementError, match="its base model dense-s1 was not trained to its end"):
        train(tuned, zoo_text, tmp_path, quiet)


def test_a_record_says_text_seed_losses_and_weights(trained, zoo_text):
    record = losses(small("dense"), trained)[12]
    assert record["entry"]["width"] == 32
    assert record["unigram_loss"] == losses(small("layerskip"), trained)[12]["unigram_loss"]
    assert len({record["corpus_sha256"], record["weights_sha256"]}) == 2
    table = json.loads(write_losses([small("dense")], trained).read_text(encoding="utf-8"))
    assert [point["step"] for point in table["dense-s1"]] == [6, 12]


def planted(home: Path, *held_out: float) -> Model:
    """A model whose checkpoints have lost so much, beside a unigram's 5."""
    model = small("dense")
    for step, loss in zip(model.entry.saved_at, held_out, strict=False):
        folder = home / model.name / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        record = {"step": step, "held_out_loss": loss, "unigram_loss": 5.0}
        (folder / "training.json").write_text(json.dumps(record), encoding="utf-8")
    return model


@pytest.mark.parametrize(
    ("held_out", "why"),
    [
        ((4.5, 4.0), None),
        ((4.0, 4.0), "its held-out loss does not fall from checkpoint to checkpoint: 4.000, 4.000"),
        ((4.9, 4.6), "its held-out loss 4.900, 4.600 is not well below a unigram's 5.000"),
        ((4.0, float("nan")), "its held-out loss does not fall from checkpoint to checkpoint: 4.000, nan"),
        ((4.0,), "1 of 2 checkpoints are there"),
    ],
)
def test_a_model_that_has_not_learned_is_not_measured(tmp_path, held_out, why):
    told = why_not_measured(planted(tmp_path, *held_out), tmp_path)
    assert told == (None if why is None else f"dense-s1: not measured: {why}")
