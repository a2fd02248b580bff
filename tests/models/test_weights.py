"""From files to a model that is ready to be measured."""

import contextlib
import itertools
import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from transformers import AutoModelForCausalLM
from transformers.models.llama.modeling_llama import LlamaMLP

from benchmark.decoding.prepare import load
from benchmark.errors import CannotRun, InputError
from benchmark.inputs.model_entry import load_models
from benchmark.models.hub import Hub
from benchmark.models.locate import locate
from benchmark.models.source import Machine

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = Machine(device=torch.device("cpu"), dtype=None, trust_remote_code=False)
PROMPT = torch.tensor([[40, 69, 76, 76, 79]])


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model that a test may change."""
    return shutil.copytree(tiny_folder, tmp_path / "model")


@pytest.fixture
def load_entry(folder: Path) -> Callable[..., Any]:
    """Load `folder` as the entry of a model file."""

    def run(machine: Machine = CPU, **entry: Any) -> Any:
        file = folder.parent / "models.yaml"
        file.write_text(yaml.safe_dump({"models": [{"name": "entry", "path": "model", **entry}]}))
        (spec,) = load_models(file)
        return load(spec, locate(spec, Hub(download=False), machine), machine)

    return run


def refusal(load_entry: Callable[..., Any]) -> str:
    with pytest.raises(InputError) as error:
        load_entry()
    return str(error.value)


def edit(file: Path, **changes: Any) -> None:
    content = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(content | changes))


def test_a_folder_becomes_a_model_ready_to_be_measured(load_entry):
    loaded = load_entry()
    assert loaded.anatomy.num_layers == 3
    assert loaded.context == 4096
    assert loaded.dtype == "float32"
    assert not loaded.recurrent
    assert not loaded.model.training
    assert loaded.num_parameters == sum(
        p.numel() for p in AutoModelForCausalLM.from_pretrained(loaded.model.name_or_path).parameters()
    )


def test_the_command_line_chooses_the_dtype_before_the_entry_does(load_entry):
    assert load_entry(dtype="bfloat16").dtype == "bfloat16"
    assert load_entry(Machine(CPU.device, "float32", False), dtype="bfloat16").dtype == "float32"


class _Payload:
    """Unpickled without care, it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize(
    "save", [torch.save, lambda state, file: file.write_bytes(pickle.dumps(state, protocol=2))], ids=["torch", "pickle"]
)
def test_weights_that_would_run_code_are_refused_and_the_code_does_not_run(load_entry, folder, tmp_path, save):
    (folder / "model.safetensors").unlink()
    save({"lm_head.weight": _Payload(tmp_path / "ran")}, folder / "pytorch_model.bin")
    message = refusal(load_entry)
    assert not (tmp_path / "ran").exists()
    # Otherwise this test could not fail: read without care, the file does run its code.
    with contextlib.suppress(RuntimeError):
        torch.load(folder / "pytorch_model.bin", weights_only=False)
    assert (tmp_path / "ran").exists()
    assert message.startswith(f"{tmp_path / 'models.yaml'}: entry: path: cannot be loaded: ")
    assert "\n" not in message


def test_pytorch_weights_that_are_only_tensors_are_read(load_entry, folder):
    state = AutoModelForCausalLM.from_pretrained(folder).state_dict()
    (folder / "model.safetensors").unlink()
    torch.save(state, folder / "pytorch_model.bin")
    torch.testing.assert_close(load_entry().model.lm_head.weight, state["lm_head.weight"])


@pytest.mark.parametrize("size", [0, 4, 2000, -1])
def test_damaged_safetensors_are_one_line(load_entry, folder, size):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:size])
    message = refusal(load_entry)
    assert message.startswith(f"{folder.parent / 'models.yaml'}: entry: path: cannot be loaded: ")
    assert "\n" not in message


def test_a_checkpoint_that_lacks_a_weight_is_refused_instead_of_filled_with_random_numbers(load_entry, folder):
    model = AutoModelForCausalLM.from_pretrained(folder)
    state = model.state_dict()
    del state["model.layers.1.mlp.up_proj.weight"]
    model.save_pretrained(folder, state_dict=state)
    assert "lacks weights: model.layers.1.mlp.up_proj.weight" in refusal(load_entry)


def test_a_damaged_tokenizer_is_one_line(load_entry, folder):
    (folder / "tokenizer.json").write_text('{"model": {"type": "BPE"')
    message = refusal(load_entry)
    assert message.startswith(f"{folder.parent / 'models.yaml'}: entry: path: cannot be loaded: ")
    assert "\n" not in message


def test_the_text_is_the_plain_argmax_whatever_the_checkpoint_ships(load_entry, folder):
    edit(
        folder / "generation_config.json",
        do_sample=True,
        temperature=5.0,
        repetition_penalty=50.0,
        no_repeat_ngram_size=1,
        max_new_tokens=2,
        suppress_tokens=[1, 2, 3],
    )
    plain = AutoModelForCausalLM.from_pretrained(folder)
    ids = PROMPT
    for _ in range(12):
        ids = torch.cat([ids, plain(ids).logits[:, -1:].argmax(-1)], dim=1)
    # Otherwise this test could not fail: the shipped settings would write another text.
    assert plain.generate(PROMPT, max_new_tokens=12, do_sample=False).tolist() != ids.tolist()

    loaded = load_entry()
    assert loaded.model.generate(PROMPT, max_new_tokens=12).tolist() == ids.tolist()


def test_a_text_ends_at_the_tokenizers_id_when_the_generation_config_names_none(load_entry):
    assert load_entry().end_ids == {0}


def test_a_text_ends_at_the_ids_of_the_generation_config_and_of_the_tokenizer(load_entry, folder):
    edit(folder / "generation_config.json", eos_token_id=[7, 9])
    assert load_entry().end_ids == {0, 7, 9}
    edit(folder / "generation_config.json", eos_token_id=7)
    assert load_entry().end_ids == {0, 7}


def test_memory_that_runs_out_while_the_model_is_looked_into_is_never_taken_for_something_else(
    load_entry, monkeypatch: pytest.MonkeyPatch
):
    forward, calls, fatal = LlamaMLP.forward, itertools.count(), [-1]

    def run_out(self: LlamaMLP, *args: Any) -> torch.Tensor:
        if next(calls) in fatal:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has …")
        return forward(self, *args)

    monkeypatch.setattr(LlamaMLP, "forward", run_out)
    load_entry()
    needed = next(calls)
    for number in range(0, needed, 3):
        calls, fatal = itertools.count(), [number]
        with pytest.raises(CannotRun, match=r"memory ran out while loading .*; use a smaller dtype or a larger"):
            load_entry()
    assert needed > 50
