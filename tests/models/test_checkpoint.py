"""The model that is measured is the whole of its checkpoint, or there is one line that says why not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from benchmark.decoding.prepare import load
from benchmark.errors import CannotRun, InputError
from benchmark.inputs.model_entry import ModelEntry
from benchmark.models.checkpoint import read_shapes, stored_type
from benchmark.models.hub import Hub
from benchmark.models.locate import locate
from benchmark.models.source import Machine
from benchmark.readout.loaded_model import LoadedModel
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer
from benchmark.trace.costs import Task

pytestmark = pytest.mark.usefixtures("one_thread")
CPU = Machine(device=torch.device("cpu"), dtype=None, trust_remote_code=False)


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    def save(model_type: str = "llama", task: Task = "causal", **fields: Any) -> Path:
        folder = tmp_path / "model"
        tiny_model(model_type, task, **fields).save_pretrained(folder)
        tiny_tokenizer().save_pretrained(folder)
        return folder

    return save


def loaded(folder: Path, **fields: Any) -> LoadedModel:
    entry = ModelEntry(path=str(folder), name="m", **fields)
    return load(entry, locate(entry, Hub(download=False), CPU), CPU)


def refusal(folder: Path, kind: type[Exception] = InputError, **fields: Any) -> str:
    with pytest.raises(kind) as error:
        loaded(folder, **fields)
    assert "\n" not in str(error.value)
    return str(error.value)


def configure(folder: Path, **fields: Any) -> None:
    file = folder / "config.json"
    config = json.loads(file.read_text()) | fields
    file.write_text(json.dumps({name: value for name, value in config.items() if value is not ...}))


def change(folder: Path, edit: Callable[[dict[str, torch.Tensor]], None]) -> None:
    tensors = load_file(folder / "model.safetensors")
    edit(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


class TestWeightsThatNoModuleTakes:
    def test_norms_of_another_attention(self, saved):
        folder = saved("qwen3")
        configure(folder, model_type="llama", architectures=["LlamaForCausalLM"])
        assert "does not take: model.layers.0.self_attn.k_norm.weight, " in refusal(folder)

    def test_layers_beyond_the_last_that_is_built(self, saved):
        folder = saved()
        configure(folder, num_hidden_layers=3, layer_types=...)
        told = refusal(folder)
        assert "does not take: model.layers.3." in told and "and 6 more" in told

    def test_of_them_those_that_predict_further_tokens_are_none(self, saved):
        folder = saved("qwen2", layer_types=None)
        configure(folder, num_hidden_layers=3, num_nextn_predict_layers=1, layer_types=...)
        change(folder, lambda tensors: [tensors.pop(name) for name in [*tensors] if "layers.3" in name])
        assert loaded(folder).anatomy.num_layers == 3

    def test_a_value_head_unless_the_entry_says_so(self, saved):
        folder = saved()
        change(folder, lambda tensors: tensors.update({"v_head.summary.weight": torch.ones(1, 32)}))
        assert "does not take: v_head.summary.weight; correct the config, or" in refusal(folder)
        assert loaded(folder, unused_weights=["v_head.*"]).anatomy.num_layers == 4

    def test_tables_and_heads_beside_are_harmless(self, saved):
        folder = saved("bert", "masked")
        extra = {"bert.pooler.dense.weight": torch.ones(32, 32), "cls.seq_relationship.bias": torch.ones(2)}
        extra |= {"bert.embeddings.position_ids": torch.arange(256)[None]}
        change(folder, lambda tensors: tensors.update(extra))
        assert loaded(folder).task == "masked"

    def test_old_masks_are_tables_and_biases_are_not(self, saved):
        folder = saved("gpt_neox", attention_bias=False)
        mask = {"gpt_neox.layers.0.attention.bias": torch.ones(1, 1, 8, 8, dtype=torch.bool)}
        change(folder, lambda tensors: tensors.update(mask))
        loaded(folder)
        change(folder, lambda tensors: tensors.update({"gpt_neox.layers.0.attention.dense.bias": torch.ones(32)}))
        assert "does not take: gpt_neox.layers.0.attention.dense.bias" in refusal(folder)


class TestAnotherModel:
    @pytest.mark.parametrize("kind", [torch.int8, torch.uint8, torch.float8_e5m2])
    def test_packed_weights_without_a_word_how(self, saved, kind):
        folder = saved()
        name = "model.layers.1.mlp.up_proj.weight"
        change(folder, lambda tensors: tensors.update({name: tensors[name].to(kind)}))
        assert f"holds packed weights ({name}: " in refusal(folder)

    def test_a_head_that_is_tied_and_another_one_in_the_file(self, saved):
        folder = saved(tie_word_embeddings=False)
        configure(folder, tie_word_embeddings=True)
        assert "config.json ties 'lm_head.weight' to 'model.embed_tokens.weight'" in refusal(folder)

    def test_a_tied_head_that_is_written_out_is_the_same(self, saved):
        folder = saved(tie_word_embeddings=True)
        change(folder, lambda tensors: tensors.update({"lm_head.weight": tensors["model.embed_tokens.weight"].clone()}))
        assert loaded(folder).anatomy.num_layers == 4

    @pytest.mark.parametrize("head", ["SequenceClassification", "TokenClassification", "QuestionAnswering"])
    def test_a_head_that_predicts_no_tokens(self, saved, head):
        folder = saved()
        auto = getattr(transformers, f"AutoModelFor{head}")
        auto.from_config(tiny_model("llama", "causal").config).save_pretrained(folder)
        assert f"it is a LlamaFor{head}, which predicts no tokens; name the language model" in refusal(folder)

    def test_sizes_that_do_not_belong_together(self, saved):
        folder = saved()
        configure(folder, intermediate_size=48)
        assert "is 32 × 64 in the checkpoint and 32 × 48 in the model of config.json; fetch the config" in refusal(
            folder
        )

    def test_an_adapter_beside_whole_weights_and_one_alone(self, saved):
        folder = saved()
        (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "org/base"}')
        assert "holds whole weights and an adapter of org/base; move that away, or load it with peft" in refusal(folder)
        (folder / "config.json").unlink()
        assert "is an adapter of org/base and no whole model; load it with peft, call merge_and_unload()" in refusal(
            folder
        )


class TestFoldersThatAreNoModel:
    def test_a_shard_that_is_missing_is_named(self, saved):
        folder = saved()
        (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
        shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
        assert refusal(folder).endswith("1 that its index names are not there: model-00002-of-00002.safetensors")

    def test_weights_of_another_library_are_named(self, saved):
        folder = saved()
        (folder / "model.safetensors").rename(folder / "model.onnx")
        assert refusal(folder).endswith("name a model that has them, or a conversion of model.onnx")

    def test_folders_with_models_in_it_are_named(self, saved, tmp_path):
        saved()
        assert refusal(tmp_path).endswith(
            "has no config.json, so it is not a transformers model; the folders in it that have one: model"
        )

    @pytest.mark.parametrize(
        ("model_type", "told"),
        [
            ("llava", "is of type 'llava', which transformers .* does not run on text alone; name a text-only"),
            ("qwne3", "unknown to transformers .*; if 'qwen3' is meant, correct model_type"),
            ("xyzzy_42_next", "unknown to transformers .*; install a newer release of transformers"),
        ],
    )
    def test_types_that_are_not_known(self, saved, model_type, told):
        folder = saved()
        configure(folder, model_type=model_type, architectures=["X"])
        with pytest.raises(CannotRun, match=told):
            loaded(folder)


class TestEncoders:
    @pytest.mark.parametrize("model_type", ["electra", "roformer", "xlm-roberta"])
    def test_one_that_says_nothing_is_no_decoder(self, saved, model_type):
        folder = saved(model_type, "masked")
        configure(folder, architectures=...)
        assert loaded(folder).task == "masked"

    def test_one_that_was_saved_as_a_decoder_and_looks_ahead_is_refused(self, saved):
        folder = saved("bert")
        configure(folder, is_decoder=False)
        entry = ModelEntry(path=str(folder), name="m")
        with pytest.raises(Exception, match="looks ahead: what it says of a text changes with the tokens that follow"):
            load(entry, locate(entry, Hub(download=False), CPU), CPU)


class TestStoredType:
    @pytest.mark.parametrize(("kind", "told"), [(torch.bfloat16, "bfloat16"), (torch.float16, "float16")])
    def test_is_that_of_most_weights(self, saved, kind, told):
        folder = saved()
        change(folder, lambda tensors: tensors.update({n: t.to(kind) for n, t in tensors.items() if "norm" not in n}))
        assert stored_type(read_shapes([folder / "model.safetensors"], "here"), {}) == told
        assert loaded(folder, dtype="float32").stored_as == told

    def test_is_the_method_of_packed_ones(self):
        assert stored_type({}, {"quantization_config": {"quant_method": "gptq", "bits": 4}}) == "gptq 4bit"
        assert stored_type({}, {"quantization_config": {"quant_method": "mxfp4"}}) == "mxfp4"

    def test_is_read_off_pickled_weights_without_loading_them(self, saved):
        folder = saved()
        torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
        shapes = read_shapes([folder / "pytorch_model.bin"], "here")
        assert shapes == read_shapes([folder / "model.safetensors"], "here")
