"""The proof passes what is right to the last bit, and catches every planted fault."""

import dataclasses

import pytest
import torch

from benchmark.anatomy.layers import find_anatomy
from benchmark.errors import MeasurementError
from benchmark.readout.model_readout import Readout
from benchmark.readout.proof import dissect, prove_readout
from benchmark.tools.tiny_models import tiny_model

IDS = torch.arange(3, 10)[None]


class PlantedReadout(Readout):
    """The readout written down by hand, as other tools do, with a fault that tests plant into it."""

    def __init__(self, model, anatomy, norm=None, head=None, finish=None):
        super().__init__(model, anatomy, "causal")
        self.norm = norm or model.model.norm
        self.head = head or model.lm_head
        self.finish = finish or (lambda logits: logits)

    def logits(self, states):
        if not hasattr(self, "norm"):
            return super().logits(states)
        with torch.inference_mode():
            return self.finish(self.head(self.norm(states)))


def prove(model, readout=PlantedReadout, **planted):
    anatomy = find_anatomy(model, "causal", IDS)
    return prove_readout(model, anatomy, readout(model, anatomy, **planted), "causal", IDS)


def test_the_right_readout_by_hand_passes():
    assert prove(tiny_model("llama", "causal")) < 1e-6


def test_a_norm_applied_twice_is_caught():
    model = tiny_model("llama", "causal")
    with pytest.raises(MeasurementError, match="is off by"):
        prove(model, norm=lambda state: model.model.norm(model.model.norm(state)))


def test_a_norm_left_out_is_caught():
    with pytest.raises(MeasurementError, match="is off by"):
        prove(tiny_model("llama", "causal"), norm=lambda state: state)


def test_a_dropped_soft_cap_is_caught():
    model = tiny_model("gemma2", "causal", final_logit_softcapping=5.0)
    cap = model.config.final_logit_softcapping
    assert prove(model, finish=lambda logits: torch.tanh(logits / cap) * cap) < 1e-5
    with pytest.raises(MeasurementError, match="is off by"):
        prove(model)


def test_an_ignored_head_scale_is_caught():
    model = tiny_model("granite", "causal")
    assert prove(model, finish=lambda logits: logits / model.config.logits_scaling) < 1e-5
    with pytest.raises(MeasurementError, match="is off by"):
        prove(model)


def test_a_reversed_layer_order_is_caught():
    model = tiny_model("llama", "causal")
    anatomy = find_anatomy(model, "causal", IDS)
    anatomy = dataclasses.replace(anatomy, layers=anatomy.layers[::-1])
    with pytest.raises(MeasurementError, match="is off by"):
        prove_readout(model, anatomy, Readout(model, anatomy, "causal"), "causal", IDS)


def test_two_swapped_inner_layers_are_caught():
    model = tiny_model("llama", "causal")
    anatomy = find_anatomy(model, "causal", IDS)
    first, second, *rest = anatomy.layers
    anatomy = dataclasses.replace(anatomy, layers=(second, first, *rest))
    with pytest.raises(MeasurementError, match="is off by"):
        prove_readout(model, anatomy, Readout(model, anatomy, "causal"), "causal", IDS)


@pytest.mark.parametrize("kept", [slice(0, 2), slice(0, 3), slice(2, 3)])
def test_a_stack_that_ends_too_early_is_caught(kept):
    model = tiny_model("llama", "causal")
    anatomy = find_anatomy(model, "causal", IDS)
    anatomy = dataclasses.replace(anatomy, layers=anatomy.layers[kept])
    with pytest.raises(MeasurementError, match="is off by"):
        prove_readout(model, anatomy, Readout(model, anatomy, "causal"), "causal", IDS)


def test_a_stack_that_begins_too_late_is_caught():
    model = tiny_model("llama", "causal")
    anatomy = find_anatomy(model, "causal", IDS)
    anatomy = dataclasses.replace(anatomy, layers=anatomy.layers[1:])
    with pytest.raises(MeasurementError, match="already mixes positions"):
        prove_readout(model, anatomy, Readout(model, anatomy, "causal"), "causal", IDS)


def test_the_wrong_list_of_modules_is_caught():
    model = tiny_model("bart", "encoder-decoder")
    with pytest.raises(MeasurementError, match=r"no layer stack|'model.encoder.layers' is not a layer stack"):
        dissect(model, "encoder-decoder", IDS, stack="model.encoder.layers")


def test_the_wrong_seam_is_caught():
    model = tiny_model("llama", "causal")
    with pytest.raises(MeasurementError, match="is off by"):
        dissect(model, "causal", IDS, seam="lm_head")  # leaves the norm out


def test_a_model_that_mixes_positions_behind_its_layers_is_refused():
    with pytest.raises(MeasurementError, match="last position alone"):
        dissect(tiny_model("blt", "causal"), "causal", IDS)


def test_layers_that_return_something_else_than_states_are_refused():
    with pytest.raises(MeasurementError, match="cannot be run apart from the layers"):
        dissect(tiny_model("reformer", "causal"), "causal", IDS)
