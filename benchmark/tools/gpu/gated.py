"""Gated decoding of tiny random models, on the device against on the CPU: in float32 nothing may differ."""

from copy import deepcopy

import torch

from benchmark.cases.studies.gated_rule import rule_of
from benchmark.decoding.engine import Limits
from benchmark.decoding.gated.on_generate import decode_gated
from benchmark.decoding.gated.rule import Rule
from benchmark.decoding.prepare import prepare
from benchmark.errors import MeasurementError
from benchmark.inputs.settings import POLICIES, Policy
from benchmark.metrics.gates.gate import Gate, Margin, Oracle, Patience, Saturation
from benchmark.readout.loaded_model import LoadedModel
from benchmark.tools.gpu.correctness import KINDS, prompts_of
from benchmark.tools.gpu.journal import Figures
from benchmark.tools.gpu.sizes import Sizes
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer

_GATES: tuple[tuple[Gate, float], ...] = ((Margin(), 0.01), (Patience(), 2 / 3), (Saturation(), 0.9), (Oracle(), 1.0))

_PROMPTS = 4


def gated(kind: str, device: torch.device, sizes: Sizes, figures: Figures) -> None:
    """Fill in, for each gate and policy, how many texts differ between the device and the CPU, alone and together."""
    model_type, task, changes = KINDS[kind]
    torch.set_float32_matmul_precision("highest")
    model = tiny_model(model_type, task, **changes)
    there = prepare(deepcopy(model).to(device), tiny_tokenizer(), task)
    cpu = prepare(model, tiny_tokenizer(), task)
    looks = tuple(range(1, cpu.anatomy.num_layers))
    for gate, threshold in _GATES:
        for policy in POLICIES:
            rule = rule_of(gate, threshold, looks, len(looks) + 1, cpu.readout.vocab_size)
            figures[f"{gate.name}-{policy}"] = _differing(cpu, there, sizes, rule, policy)


def _differing(cpu: LoadedModel, there: LoadedModel, sizes: Sizes, rule: Rule, policy: Policy) -> Figures | str:
    prompts = prompts_of(min(sizes.prompts, _PROMPTS))
    try:
        one, alone, together = (
            decode_gated(model, prompts, Limits(sizes.new_tokens, batch), rule, policy)
            for model, batch in ((cpu, 1), (there, 1), (there, len(prompts)))
        )
    except MeasurementError as error:
        return str(error)
    last = cpu.anatomy.num_layers
    return {
        "texts": len(one),
        "device_against_cpu": sum(a != b for a, b in zip(one, alone, strict=True)),
        "batch_against_alone": sum(a != b for a, b in zip(alone, together, strict=True)),
        "left_early": sum(exit_layer < last for text in one for exit_layer in text.exits),
    }
