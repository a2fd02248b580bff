"""The layer stack is found by watching, on models of very different build, and a model is never left altered."""

import pytest
import torch
from torch import nn

from benchmark.anatomy.hooks import passed_through, read_out
from benchmark.anatomy.layers import find_anatomy
from benchmark.errors import MeasurementError
from benchmark.models.tasks import forward_logits
from benchmark.tools.tiny_models import tiny_model

IDS = torch.arange(3, 10)[None]


@pytest.mark.parametrize(
    ("model_type", "task", "stack", "seam"),
    [
        ("llama", "causal", "model.layers", "model.norm"),
        ("gpt2", "causal", "transformer.h", "transformer.ln_f"),
        ("mamba", "causal", "backbone.layers", "backbone.norm_f"),
        ("t5", "encoder-decoder", "decoder.block", "decoder.final_layer_norm"),
        ("bart", "encoder-decoder", "model.decoder.layers", "lm_head"),
        ("bert", "masked", "bert.encoder.layer", "cls"),
    ],
)
def test_stack_and_seam_are_found_by_watching(model_type, task, stack, seam):
    anatomy = find_anatomy(tiny_model(model_type, task), task, IDS)
    assert (anatomy.stack_path, anatomy.seam_path, anatomy.num_layers) == (stack, seam, 4)


def test_layers_are_in_the_order_in_which_they_run():
    model = tiny_model("llama", "causal")
    anatomy = find_anatomy(model, "causal", IDS)
    assert [layer.module for layer in anatomy.layers] == list(model.model.layers)


def test_post_norm_with_projection_has_no_norm_behind_the_stack():
    model = tiny_model("opt", "causal", do_layer_norm_before=False, word_embed_proj_dim=16)
    assert find_anatomy(model, "causal", IDS).seam_path == "model.decoder.project_out"


def test_axes_of_states_with_more_than_three_dimensions():
    anatomy = find_anatomy(tiny_model("gemma3n_text", "causal"), "causal", IDS)
    assert anatomy.state_shape[1:] == (1, 1, 32)
    assert (anatomy.batch_axis, anatomy.position_axis) == (1, 2)


def test_the_entry_may_name_stack_and_seam():
    model = tiny_model("llama", "causal")
    anatomy = find_anatomy(model, "causal", IDS, stack="model.layers", seam="lm_head")
    assert anatomy.seam is model.lm_head


@pytest.mark.parametrize(("field", "path"), [("layer_stack", "model.blocks"), ("seam", "model.final_norm")])
def test_a_named_module_that_is_not_there_is_refused(field, path):
    with pytest.raises(MeasurementError, match=f"field '{field}': the model has no module '{path}'"):
        find_anatomy(tiny_model("llama", "causal"), "causal", IDS, **{field.removeprefix("layer_"): path})


def test_a_named_stack_that_is_none_is_refused():
    with pytest.raises(MeasurementError, match=r"'model\.norm' is not a layer stack"):
        find_anatomy(tiny_model("llama", "causal"), "causal", IDS, stack="model.norm")


def test_a_model_without_layers_is_refused():
    model = tiny_model("squeezebert", "masked")  # its layers exchange channels-first states
    with pytest.raises(MeasurementError, match="no layer stack found"):
        find_anatomy(model, "masked", IDS)


def test_layers_that_run_more_than_once_for_a_token_are_refused():
    with pytest.raises(MeasurementError, match=r"'albert.encoder.albert_layer_groups' runs more than once"):
        find_anatomy(tiny_model("albert", "masked"), "masked", IDS)


def test_passed_through_layers_return_the_state_they_are_given():
    model = tiny_model("llama", "causal")
    anatomy = find_anatomy(model, "causal", IDS)
    with passed_through(anatomy.layers):
        found = forward_logits(model, "causal", IDS, None)
    with torch.inference_mode():
        expected = model.lm_head(model.model.norm(model.model.embed_tokens(IDS)))
    assert torch.equal(found, expected)


def test_the_model_is_restored_also_after_an_exception():
    model = tiny_model("llama", "causal")
    before = forward_logits(model, "causal", IDS, None)
    anatomy = find_anatomy(model, "causal", IDS, seam="model.norm")
    with pytest.raises(ZeroDivisionError), read_out(anatomy, torch.zeros(1, 7, 32)):
        raise ZeroDivisionError
    assert torch.equal(forward_logits(model, "causal", IDS, None), before)
    assert not any(hooks(module) or "forward" in vars(module) for module in model.modules())


def test_hooks_are_removed_when_the_forward_pass_fails():
    model = tiny_model("llama", "causal")
    with pytest.raises(IndexError):
        find_anatomy(model, "causal", torch.tensor([[10**6, 1, 2]]))
    assert not any(hooks(module) for module in model.modules())


def hooks(module: nn.Module) -> int:
    return len(module._forward_hooks) + len(module._forward_pre_hooks)
