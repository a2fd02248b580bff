"""What jobs share: nothing is done before it is needed, and nothing twice."""

import gc
import re
import shutil
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from gguf_files import write_gguf
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmark.cases.resources import Resources
from benchmark.errors import CannotRun, InputError
from benchmark.inputs.catalog import load_workloads
from benchmark.inputs.model_entry import ModelEntry, load_models
from benchmark.inputs.workload_entry import WorkloadEntry
from benchmark.models.source import Machine

CPU = Machine(torch.device("cpu"), None, trust_remote_code=False)


@pytest.fixture
def announced() -> list[str]:
    return []


@pytest.fixture
def resources(announced: list[str]) -> Resources:
    """Resources that write down what they announce."""
    return Resources(announce=announced.append)


@pytest.fixture
def entries(tiny_folder: Path, tmp_path: Path) -> list[ModelEntry]:
    """The tiny model as two entries, and one that is nowhere."""
    for name in ("tiny", "twin"):
        shutil.copytree(tiny_folder, tmp_path / name)
    (tmp_path / "models.yaml").write_text(
        "models: [{path: tiny, name: Tiny}, {path: twin, name: Twin}, {id: nobody/nothing}]"
    )
    return load_models(tmp_path / "models.yaml")


@pytest.fixture
def named() -> Callable[[str], WorkloadEntry]:
    return lambda name: next(entry for entry in load_workloads() if entry.name == name)


class TestModels:
    """Loaded when first asked for; one at a time."""

    def test_one_is_announced_and_loaded_once(self, resources, entries, announced):
        assert announced == []
        assert resources.model(entries[0], CPU) is resources.model(entries[0], CPU)
        assert announced == ["Tiny: loading from path:tiny"]

    def test_a_gguf_is_announced_before_it_is_converted_once(self, entries, announced, monkeypatch, tmp_path):
        monkeypatch.setenv("EXITBENCH_CACHE", str(tmp_path / "cache"))
        model, tokenizer = (kind.from_pretrained(tmp_path / "tiny") for kind in (AutoModelForCausalLM, AutoTokenizer))
        write_gguf(tmp_path / "small.gguf", model, tokenizer)
        (tmp_path / "models.yaml").write_text("models: [{path: small.gguf}]")
        (entry,) = load_models(tmp_path / "models.yaml")
        for _ in range(2):
            assert Resources(announce=announced.append).model(entry, CPU).anatomy.num_layers == 3
        converting, *loading = announced
        assert re.fullmatch(r"small: converting small.gguf once \([\d.e-]+ GB in .*/cache\)", converting)
        assert loading == ["small: loading from path:small.gguf"] * 2

    def test_every_phase_of_loading_is_told(self, entries):
        phases: list[str] = []
        Resources(phase=phases.append).model(entries[0], CPU)
        proofs = [phase for phase in phases if phase.startswith("proving")]
        assert phases[0] == "loading"
        assert [proof[:14] for proof in proofs] == [f"proving {number} of 4" for number in range(1, 5)]

    def test_it_is_located_without_being_loaded(self, resources, entries, announced):
        assert resources.source(entries[0], CPU).label == "path:tiny"
        assert announced == []

    def test_another_takes_its_place(self, resources, entries, announced):
        weights = weakref.ref(resources.model(entries[0], CPU).model)
        resources.model(entries[1], CPU)
        gc.collect()
        assert weights() is None
        assert len(announced) == 2

    def test_released_it_leaves_memory_and_can_be_loaded_again(self, resources, entries):
        weights = weakref.ref(resources.model(entries[0], CPU).model)
        resources.release()
        assert weights() is None
        assert resources.model(entries[0], CPU).anatomy.num_layers == 3

    def test_where_nothing_is_loaded_nothing_is_released(self, resources):
        resources.release()

    def test_one_that_is_lent_is_not_loaded(self, resources, entries, announced):
        lent = Resources().model(entries[0], CPU)
        resources.lend(entries[0], resources.source(entries[0], CPU), lent)
        assert resources.model(entries[0], CPU) is lent
        assert announced == []

    def test_one_that_cannot_be_loaded_says_so_once(self, resources, entries, announced, tmp_path):
        (tmp_path / "tiny" / "model.safetensors").write_bytes(b"damaged")
        for _ in range(2):
            with pytest.raises(InputError, match="cannot be loaded"):
                resources.model(entries[0], CPU)
            resources.release()
        assert len(announced) == 1

    def test_what_cannot_run_is_remembered_by_its_name(self, resources, entries):
        for _ in range(2):
            with pytest.raises(CannotRun, match="not on this machine"):
                resources.source(entries[2], CPU)
        assert list(resources.cannot_run()) == ["nothing"]


class TestPrompts:
    """Read once a workload and a number."""

    def test_as_many_as_asked_for(self, resources, named):
        prompts = resources.prompts(named("math"), 2)
        assert len(prompts) == 2
        assert resources.prompts(named("math"), 2) is prompts
        assert len(resources.prompts(named("math"), 3)) == 3

    def test_data_that_are_not_here_are_remembered(self, resources, named, tmp_path, monkeypatch):
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
        for _ in range(2):
            with pytest.raises(CannotRun, match="not on this machine"):
                resources.prompts(named("gsm8k"), 2)
        assert list(resources.cannot_run()) == ["gsm8k"]
