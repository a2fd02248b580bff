"""What is said of a model's memory beforehand, against what its weights take once they are loaded."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmark.errors import CannotRun
from benchmark.inputs.model_entry import ModelEntry
from benchmark.models.footprint import footprint, loaded_bytes, published_footprint
from benchmark.models.hub import weight_files
from benchmark.models.source import Machine, Source
from benchmark.models.weights import load_weights
from benchmark.tools.tiny_models import tiny_model

CPU = torch.device("cpu")
ROOM = 1.2


def configure(folder: Path, **changes: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def said(folder: Path, dtype: str | None, **entry: Any) -> float:
    """Bytes that the weights take, as they are said to."""
    spec = ModelEntry.model_validate({"path": str(folder), **entry})
    return footprint(spec, Machine(CPU, dtype, False), Source(folder, "", ""))[0] / ROOM


def taken(folder: Path, dtype: str | None) -> float:
    """Bytes that they take."""
    spec = ModelEntry.model_validate({"path": str(folder)})
    model = load_weights(spec, Source(folder, "", ""), Machine(CPU, dtype, False)).model
    return sum({each.data_ptr(): each.nbytes for each in model.parameters()}.values())


def plain(folder: Path, make_tiny: Any) -> Path:
    return make_tiny(folder)


def saved_wider_than_it_says(folder: Path, make_tiny: Any) -> Path:
    make_tiny(folder)
    configure(folder, dtype="bfloat16")
    return folder


def saved_narrower_than_it_says(folder: Path, make_tiny: Any) -> Path:
    make_tiny(folder)
    file = folder / "model.safetensors"
    save_file({name: each.to(torch.float16) for name, each in load_file(file).items()}, file, {"format": "pt"})
    return folder


def without_a_type(folder: Path, make_tiny: Any) -> Path:
    saved_narrower_than_it_says(folder, make_tiny)
    configure(folder, dtype=None)
    return folder


def mxfp4(folder: Path, make_tiny: Any) -> Path:
    make_tiny(folder)  # for its tokenizer
    model = tiny_model("gpt_oss", "causal", vocab_size=300, intermediate_size=64, hidden_size=64)
    model.to(torch.bfloat16).save_pretrained(folder)
    file, packed = folder / "model.safetensors", {}
    for name, each in load_file(file).items():
        if name.endswith(("experts.gate_up_proj", "experts.down_proj")):
            experts, inner, outer = each.shape
            packed[f"{name}_blocks"] = torch.full((experts, outer, inner // 32, 16), 0x21, dtype=torch.uint8)
            packed[f"{name}_scales"] = torch.full((experts, outer, inner // 32), 120, dtype=torch.uint8)
        else:
            packed[name] = each
    save_file(packed, file, {"format": "pt"})
    configure(folder, quantization_config={"quant_method": "mxfp4"})
    return folder


def fp8(folder: Path, make_tiny: Any) -> Path:
    make_tiny(folder, hidden_size=128, intermediate_size=256, dtype="bfloat16")
    file, packed = folder / "model.safetensors", {}
    for name, each in load_file(file).items():
        if name.endswith("proj.weight"):
            packed[name] = each.to(torch.float8_e4m3fn)
            blocks = [math.ceil(length / 128) for length in each.shape]
            packed[f"{name}_scale_inv"] = torch.ones(blocks)
        else:
            packed[name] = each.to(torch.bfloat16)
    save_file(packed, file, {"format": "pt"})
    method = {"quant_method": "fp8", "weight_block_size": [128, 128], "activation_scheme": "dynamic"}
    configure(folder, quantization_config=method, dtype="bfloat16")
    return folder


SAVED = [plain, saved_wider_than_it_says, saved_narrower_than_it_says, without_a_type, mxfp4, fp8]


@pytest.mark.parametrize("dtype", [None, "bfloat16", "float32"])
@pytest.mark.parametrize("save", SAVED, ids=[save.__name__ for save in SAVED])
def test_what_is_said_is_what_loading_takes(tmp_path, make_tiny, save, dtype):
    folder = save(tmp_path / "model", make_tiny)
    assert said(folder, dtype) == pytest.approx(taken(folder, dtype), rel=0.15)


@pytest.mark.parametrize(
    ("method", "config", "stored", "dtype", "dense"),
    [
        pytest.param("mxfp4", {}, 13.8e9, None, 41.8e9, id="gpt-oss-20b"),
        pytest.param("mxfp4", {}, 65.2e9, None, 233.7e9, id="gpt-oss-120b"),
        pytest.param("mxfp4", {}, 13.8e9, "float32", 83.6e9, id="gpt-oss-20b-float32"),
        pytest.param("fp8", {}, 9.1e9, None, 16.4e9, id="qwen3-8b-fp8"),
    ],
)
def test_before_a_download_the_bytes_tell(method, config, stored, dtype, dense):
    """Sizes as published: bytes of the files on the hub, and two for each parameter."""
    spec = ModelEntry.model_validate({"id": "org/model"})
    config = {"dtype": "bfloat16", "quantization_config": {"quant_method": method, **config}}
    assert loaded_bytes(spec, Machine(CPU, dtype, False), config, int(stored)) == pytest.approx(dense, rel=0.2)


@pytest.mark.parametrize(("quantization", "each"), [("8bit", 1.0), ("4bit", 0.5625)])
def test_quantization_leaves_embeddings_and_head_alone(tmp_path, make_tiny, quantization, each):
    folder = make_tiny(tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    packed = {name for name, weight in weights.items() if weight.ndim == 2 and 300 not in weight.shape}
    left = sum(weight.nbytes for name, weight in weights.items() if name not in packed)
    expected = left + each * sum(weights[name].numel() for name in packed)
    assert said(folder, None, quantization=quantization) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("parameters", "real"), [(8.03e9, 6.03e9), (70.6e9, 42.8e9), (1.24e9, 1.08e9)], ids=["8B", "70B", "1B"]
)
def test_quantization_of_what_is_not_here_is_told_by_its_size(parameters, real):
    """Sizes of Llama 3 in 4 bit: matrices packed, embeddings and head in 16 bit."""
    spec = ModelEntry.model_validate({"id": "org/model", "parameters": int(parameters), "quantization": "4bit"})
    memory, _ = published_footprint(spec, Machine(CPU, None, False))
    assert memory / ROOM == pytest.approx(real, rel=0.2)


@pytest.mark.skipif(torch.cuda.is_available(), reason="these methods need a GPU, and there is one")
@pytest.mark.parametrize("method", ["eetq", "spqr", "vptq", "fbgemm_fp8"])
def test_a_method_that_cannot_run_here_says_what_it_needs(tmp_path, make_tiny, method):
    folder = make_tiny(tmp_path / "model")
    configure(folder, quantization_config={"quant_method": method})
    with pytest.raises(CannotRun, match=f"the checkpoint is quantized with {method}, which .*; .*") as error:
        said(folder, None)
    assert "\n" not in str(error.value)


def test_shards_count_together(tmp_path, make_tiny):
    folder = make_tiny(tmp_path / "model")
    whole, weights = said(folder, None), load_file(folder / "model.safetensors")
    names = sorted(weights)
    for number, part in enumerate((names[::2], names[1::2])):
        save_file({name: weights[name] for name in part}, folder / f"model-{number}.safetensors", {"format": "pt"})
    index = {name: f"model-{number % 2}.safetensors" for number, name in enumerate(names)}
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    assert len(weight_files(folder)) == 2
    assert said(folder, None) == whole
