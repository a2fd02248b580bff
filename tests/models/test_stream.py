"""A model whose layers are read from the files when they run: the same trace, and never two layers at once."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from measured import path_of

from benchmark.cases.case import Case
from benchmark.cases.job import Job, run_job
from benchmark.decoding.engine import Limits
from benchmark.decoding.prepare import load
from benchmark.decoding.proven import capture_proven
from benchmark.errors import CannotRun, InputError, MeasurementError
from benchmark.inputs.catalog import load_workloads
from benchmark.inputs.model_entry import ModelEntry, load_models
from benchmark.inputs.settings import CaptureSettings, ClockSettings, GatedSettings
from benchmark.interface.commands.doctor import report
from benchmark.metrics.scoring import Scoring
from benchmark.models import stream
from benchmark.models.footprint import MEMORY_MARGIN, STREAMED_STATES, footprint, published_footprint
from benchmark.models.hub import Hub
from benchmark.models.locate import locate
from benchmark.models.source import Machine
from benchmark.models.tasks import forward_logits
from benchmark.readout.loaded_model import LoadedModel
from benchmark.results.row import Row
from benchmark.results.store import Store
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = Machine(torch.device("cpu"), None, False)
KINDS: dict[str, dict[str, Any]] = {
    "llama": {},
    "mixtral": {},
    "qwen3_moe": {},
    "mamba": {},
    "mamba2": {},
    "gpt2": {},  # ties its embedding, and keeps matrices the other way round
    "gemma3n_text": {"sliding_window": 64},  # ties it, too, and has a table for every layer and states of four axes
    "zamba2": {},  # has layers that share weights
}
TEXTS = [" 4", " The answer is 7.", "The answer", " seven"]


def save(folder: Path, kind: str = "llama", **changes: Any) -> Path:
    """Save a tiny model in several files."""
    tiny_model(kind, "causal", max_position_embeddings=2048, **changes).save_pretrained(folder, max_shard_size="60KB")
    tiny_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def entry(tmp_path: Path) -> Callable[..., ModelEntry]:
    """An entry of a model file."""

    def make(model: Path, **fields: Any) -> ModelEntry:
        lines = "".join(f"  {name}: {value}\n" for name, value in fields.items())
        (tmp_path / "models.yaml").write_text(f"models:\n- path: {model}\n  name: tiny\n{lines}")
        (spec,) = load_models(tmp_path / "models.yaml")
        return spec

    return make


@pytest.fixture
def job(entry: Callable[..., ModelEntry], tmp_path: Path) -> Callable[..., Job]:
    """A job on four prompts with texts behind them."""
    texts = tmp_path / "texts.jsonl"
    texts.write_text("".join(json.dumps({"index": number, "text": text}) + "\n" for number, text in enumerate(TEXTS)))
    (math,) = (workload for workload in load_workloads() if workload.name == "math")
    asked: dict[str, Any] = {"limit": len(TEXTS), "batch_size": 3, "top_k": 5, "sample": 8, "signals": "all"}

    def make(model: Path, given: bool = True, **fields: Any) -> Job:
        capture = CaptureSettings(**asked, texts=texts if given else None)
        return Job(entry(model, **fields), math, capture, Scoring())

    return make


def loaded(entry: ModelEntry) -> LoadedModel:
    return load(entry, locate(entry, Hub(download=False), CPU), CPU)


def numbers(row: Row) -> dict[str, Any]:
    """Columns that two ways to hold the weights must not differ in."""
    differ = {name for name in Row.model_fields if name.endswith("_seconds")}
    differ |= {"started", "peak_memory_bytes", "device_map", "configuration"}
    return {name: value for name, value in row.model_dump().items() if name not in differ}


@pytest.mark.parametrize(("kind", "dtype"), [*((kind, "float32") for kind in KINDS), ("mixtral", "bfloat16")])
def test_the_row_and_its_trace_are_those_of_the_model_in_memory_to_the_last_bit(
    kind: str, dtype: str, job: Callable[..., Job], tmp_path: Path
):
    folder, store = save(tmp_path / kind, kind, **KINDS[kind]), Store(tmp_path / "results")
    jobs = job(folder, dtype=dtype), job(folder, dtype=dtype, device_map="stream")
    whole, streamed = (run_job(each, store) for each in jobs)
    assert (streamed.device_map, streamed.capture, streamed.status) == ("stream", "given", "ok")
    assert streamed.configuration != whole.configuration
    assert streamed.layer_bytes is not None
    # Of the Parquet file: it is the same to the last bit.
    assert streamed.token_records_sha256 == whole.token_records_sha256
    assert numbers(streamed) == numbers(whole)
    one, other = (Case(path_of(each, store), row).trace for each, row in zip(jobs, (whole, streamed), strict=True))
    for name in ("target", "matches", "prompt", "token"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name


class TestPasses:
    """How often weights are read."""

    @pytest.fixture
    def read(self, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
        """Names of tensors, and how often each was read."""
        read: Counter[str] = Counter()
        convert = stream.convert_and_load_state_dict_in_model

        def counted(model: Any, tensors: Any, *args: Any) -> Any:
            read.update(tensors.keys())
            return convert(model, tensors, *args)

        monkeypatch.setattr(stream, "convert_and_load_state_dict_in_model", counted)
        return read

    @pytest.mark.parametrize("kind", ["llama", "mixtral", "mamba"])
    def test_each_layer_is_read_once_for_all_texts_of_a_pass(self, kind, entry, tmp_path, read):
        model = loaded(entry(save(tmp_path / "m", kind), device_map="stream"))
        names = {name for name in read if ".layers." in name}
        assert len(names) % model.anatomy.num_layers == 0
        assert {read[name] for name in read.keys() - names} == {1}
        read.clear()
        forward_logits(model.model, model.task, torch.full((4, 9), 7), None)
        assert read == dict.fromkeys(names, 1)

    def test_reading_a_state_out_reads_no_layer(self, entry, tmp_path, read):
        model = loaded(entry(save(tmp_path / "m"), device_map="stream"))
        read.clear()
        model.readout.logits(torch.zeros(5, 1, 32))
        assert not read

    def test_the_weights_of_a_layer_that_does_not_run_are_no_numbers(self, entry, tmp_path):
        model = loaded(entry(save(tmp_path / "m"), device_map="stream"))
        for parameter in model.anatomy.layers[1].module.parameters():
            assert parameter.isnan().all() and parameter.untyped_storage().nbytes() == 4
        assert not model.model.get_input_embeddings().weight.isnan().any()

    def test_loading_proves_in_a_dozen_passes_whatever_the_number_of_layers(self, entry, tmp_path, read):
        loaded(entry(save(tmp_path / "m", num_hidden_layers=8), device_map="stream"))
        of_layers = [count for name, count in read.items() if ".layers." in name]
        assert sum(of_layers) / len(of_layers) < 12


def test_no_more_than_two_layers_are_in_memory_at_once(tmp_path: Path):
    """Measured as growth of a process of its own, beside what the same model in memory takes beyond its weights."""
    script = Path(__file__).parent.parent / "support" / "streamed_memory.py"
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", script, tmp_path],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "65536"},
    )
    assert ended.returncode == 0, ended.stderr
    measured = json.loads(ended.stdout)
    assert measured.keys() == {"llama", "mixtral", "mamba"}
    for kind, found in measured.items():
        bound = found["outside"] + 2 * found["layers"] / 12 + found["states"]
        assert found["streamed"] < bound < found["layers"] / 2, kind


class TestRefusals:
    """What cannot be is one line."""

    def test_a_model_that_is_streamed_decodes_nothing(self, job, tmp_path, monkeypatch: pytest.MonkeyPatch):
        asked = job(save(tmp_path / "m"), given=False, device_map="stream")
        monkeypatch.setattr(stream, "without_weights", None)  # nothing is loaded before
        line = "its weights are streamed, so it reads texts and decodes none"
        with pytest.raises(CannotRun, match=line) as refused:
            run_job(asked, Store(tmp_path / "results"))
        assert refused.value.setting == "texts" and "\n" not in str(refused.value)
        for study in ({"gated": GatedSettings("static", 2.0)}, {"clock": ClockSettings()}):
            with pytest.raises(CannotRun, match=line):
                run_job(replace(asked, **study), Store(tmp_path / "results"))
        assert not list(tmp_path.rglob("results/**/*.json"))

    @pytest.mark.parametrize(
        ("fields", "line"),
        [
            ({"quantization": "8bit"}, "'quantization' and 'device_map: stream' do not go together"),
            ({"trust_remote_code": "true"}, "'device_map: stream' runs no code of a repository"),
            ({"parallel": "tensor"}, "'parallel' and 'device_map' do not go together"),
        ],
    )
    def test_fields_that_do_not_go_together(self, entry, tmp_path, fields, line):
        with pytest.raises(InputError) as refused:
            entry(tmp_path, device_map="stream", **fields)
        assert line in str(refused.value) and "\n" not in str(refused.value)

    def damaged(self, entry: Callable[..., ModelEntry], folder: Path) -> str:
        with pytest.raises(InputError) as refused:
            loaded(entry(folder, device_map="stream"))
        assert "\n" not in str(refused.value)
        return str(refused.value)

    def test_a_gguf_file(self, entry, tmp_path):
        (tmp_path / "m.gguf").write_bytes(b"GGUF")
        assert "device_map: 'stream' reads safetensors, and m.gguf is a GGUF file" in self.damaged(
            entry, tmp_path / "m.gguf"
        )

    def test_weights_that_are_pickled(self, entry, tmp_path):
        folder = tmp_path / "m"
        model = tiny_model("llama", "causal")
        model.config.save_pretrained(folder)
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
        assert "'stream' reads safetensors, not pytorch_model.bin" in self.damaged(entry, folder)

    def test_a_checkpoint_that_is_quantized(self, entry, tmp_path):
        folder = save(tmp_path / "m")
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"quantization_config": {"quant_method": "fp8"}}))
        assert "the checkpoint is quantized" in self.damaged(entry, folder)

    def test_an_encoder(self, entry, tmp_path):
        tiny_model("modernbert", "masked").save_pretrained(tmp_path / "m")
        assert "'stream' is for models that continue a text" in self.damaged(entry, tmp_path / "m")

    def test_a_file_that_is_not_there(self, entry, tmp_path):
        folder = save(tmp_path / "m")
        sorted(folder.glob("*.safetensors"))[1].unlink()
        assert "that its index names are not there: model-00002" in self.damaged(entry, folder)

    def test_a_file_that_is_cut_off(self, entry, tmp_path):
        folder = save(tmp_path / "m")
        file = sorted(folder.glob("*.safetensors"))[1]
        file.write_bytes(file.read_bytes()[:-100])
        assert f"cannot be loaded: {file.name}: " in self.damaged(entry, folder)

    def test_a_checkpoint_that_lacks_a_weight(self, entry, tmp_path):
        model, folder = tiny_model("llama", "causal"), save(tmp_path / "m")
        state = model.state_dict()
        del state["model.layers.1.mlp.up_proj.weight"]
        for file in folder.glob("*.safetensors*"):
            file.unlink()
        model.save_pretrained(folder, state_dict=state)
        assert "the checkpoint lacks weights: model.layers.1.mlp.up_proj.weight" in self.damaged(entry, folder)

    def test_a_list_of_layers_that_is_not_there(self, entry, tmp_path):
        with pytest.raises(MeasurementError, match=r"field 'layer_stack': the model has no list of modules 'model\.h'"):
            loaded(entry(save(tmp_path / "m"), device_map="stream", layer_stack="model.h"))

    def test_a_model_that_rewrites_its_layers_from_outside(self, entry, tmp_path):
        tiny_model("rwkv", "causal").save_pretrained(tmp_path / "m")
        tiny_tokenizer().save_pretrained(tmp_path / "m")
        with pytest.raises(MeasurementError, match="rewrites weights of layers from outside"):
            loaded(entry(tmp_path / "m", device_map="stream"))

    @pytest.mark.parametrize("cut", [True, False], ids=["removed", "replaced"])
    def test_files_that_change_while_the_model_runs(self, entry, tmp_path, cut):
        folder = save(tmp_path / "m")
        model = loaded(entry(folder, device_map="stream"))
        for file in folder.glob("*.safetensors"):
            content = file.read_bytes()
            file.unlink()
            if not cut:
                file.write_bytes(content)
        line = "the weights of layer 1 of 4 cannot be read: .*; fetch" if cut else "was changed while its model ran"
        with pytest.raises(MeasurementError, match=line):
            forward_logits(model.model, model.task, torch.full((1, 5), 7), None)

    def test_an_engine_that_would_write(self, entry, tmp_path):
        model = loaded(entry(save(tmp_path / "m"), device_map="stream"))
        with pytest.raises(MeasurementError, match="would be read as a whole for each token; give texts"):
            capture_proven(model, [[7, 8]], Limits(2, 1))


def test_a_doctor_claims_nothing_of_decoding(entry: Callable[..., ModelEntry], tmp_path: Path):
    said = "\n".join(report(loaded(entry(save(tmp_path / "m"), device_map="stream"))))
    assert "its weights are streamed, so it decodes nothing" in said
    assert "generate" not in said


class TestMemory:
    """What is said of a model's memory beforehand."""

    def test_it_is_of_two_layers_and_not_of_all(self, entry, tmp_path):
        spec = entry(save(tmp_path / "m"), device_map="stream")
        model = tiny_model("llama", "causal", max_position_embeddings=2048)
        layer = sum(each.nbytes for each in model.model.layers[0].parameters())
        outside = sum(each.nbytes for each in model.parameters()) - 4 * layer
        said, disk = footprint(spec, CPU, locate(spec, Hub(download=False), CPU))
        assert said == pytest.approx(MEMORY_MARGIN * (1.5 * outside + 2 * layer + STREAMED_STATES))
        assert disk == 0

    def test_seventy_billion_parameters_fit_one_gpu(self):
        gpu = Machine(torch.device("cuda"), None, False)
        whole, streamed = (
            published_footprint(ModelEntry(id="org/model", parameters=70 * 10**9, device_map=way), gpu)
            for way in (None, "stream")
        )
        assert whole is not None and streamed is not None
        assert whole[0] > 160e9 and streamed[0] < 24e9
        assert streamed[1] == whole[1]  # all of them are fetched
